"""How learning rates fall, step by step."""

from math import cos, pi
from types import SimpleNamespace
from typing import Any, get_args

import pytest
import torch
from torch.nn import Parameter
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from sod.core.errors import SodError
from sod.engine.optimisers import OptimiserConfig, Schedule


def rates(options: OptimiserConfig, steps: int) -> list[float]:
    """Return the rate of each step of a whole training."""
    built: Any = options.build([Parameter(torch.zeros(1))], steps)
    return remaining(built["optimizer"], built["lr_scheduler"]["scheduler"], steps)


def remaining(optimiser: Optimizer, scheduler: LRScheduler, steps: int) -> list[float]:
    """Return the rate of each of the next steps."""
    found = []
    for _ in range(steps):
        found.append(float(optimiser.param_groups[0]["lr"]))
        optimiser.step()
        scheduler.step()
    return found


def test_steps_fall_by_the_factor_as_published() -> None:
    found = rates(OptimiserConfig(lr=0.05, schedule="step", step_size=3, gamma=0.5), 7)
    assert found == pytest.approx([0.05] * 3 + [0.025] * 3 + [0.0125])


def test_a_cosine_falls_to_zero_over_the_training() -> None:
    wanted = [0.01 * (1 + cos(pi * step / 8)) for step in range(8)]
    assert rates(OptimiserConfig(0.02), 8) == pytest.approx(wanted)


def test_the_rate_goes_on_per_optimiser_step_with_the_decay_asked_for() -> None:
    built: Any = OptimiserConfig(weight_decay=0.3).build([Parameter(torch.zeros(1))], 4)
    assert built["lr_scheduler"]["interval"] == "step"
    assert built["optimizer"].param_groups[0]["weight_decay"] == 0.3


def test_a_cosine_needs_an_end() -> None:
    with pytest.raises(SodError, match="set max_steps or max_epochs"):
        OptimiserConfig().build([Parameter(torch.zeros(1))], float("inf"))


def test_an_unknown_schedule_is_named() -> None:
    with pytest.raises(SodError, match=r"optimiser\.schedule: 'linear' is none of"):
        OptimiserConfig(schedule="linear")  # type: ignore[arg-type]


@pytest.mark.parametrize("schedule", get_args(Schedule))
def test_a_restart_forgets_state_and_gradients_and_begins_the_schedule_again(
    schedule: Schedule,
) -> None:
    options = OptimiserConfig(0.1, schedule=schedule, step_size=2, gamma=0.5)
    parameter = Parameter(torch.ones(1))
    built: Any = options.build([parameter], 10)
    optimiser, scheduler = built["optimizer"], built["lr_scheduler"]["scheduler"]
    for _ in range(3):
        parameter.grad = torch.ones(1)
        optimiser.step()
        scheduler.step()
    trainer: Any = SimpleNamespace(
        optimizers=[optimiser],
        lr_scheduler_configs=[SimpleNamespace(scheduler=scheduler)],
        estimated_stepping_batches=7,
        global_step=3,
    )
    options.restart(trainer)
    assert parameter.grad is None
    assert not optimiser.state
    assert remaining(optimiser, scheduler, 4) == rates(options, 4)
