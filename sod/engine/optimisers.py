"""Optimisers and learning-rate schedules."""

from collections.abc import Iterable
from dataclasses import dataclass
from math import isfinite
from typing import Literal, get_args

import torch
from pytorch_lightning import Trainer
from pytorch_lightning.utilities.types import OptimizerLRSchedulerConfig
from torch.nn import Parameter
from torch.optim import AdamW
from torch.optim.lr_scheduler import CosineAnnealingLR, LRScheduler, StepLR

from sod.core.errors import SodError

Schedule = Literal["cosine", "step"]


@dataclass(frozen=True)
class OptimiserConfig:
    """AdamW and the schedule of its learning rate.

    Args:
        lr: Learning rate for the whole effective batch; it is not scaled by the devices.
        weight_decay: Weight decay of AdamW.
        schedule: ``cosine`` falls to zero over the whole training; ``step`` multiplies the rate by
            ``gamma`` every ``step_size`` optimiser steps (as FOUND and PEEKABOO publish).
        step_size: Optimiser steps between two decays of ``step``.
        gamma: Factor of each decay of ``step``.
    """

    lr: float = 1e-3
    weight_decay: float = 1e-2
    schedule: Schedule = "cosine"
    step_size: int = 50
    gamma: float = 0.95

    def __post_init__(self) -> None:
        """Reject an unknown schedule, and values that no optimiser takes."""
        for name in ("lr", "weight_decay", "gamma"):
            value = getattr(self, name)
            if not (isfinite(value) and value >= 0):
                raise SodError(f"optimiser.{name}: {value} is not a number from 0 on")
        if self.step_size < 1:
            raise SodError(f"optimiser.step_size: {self.step_size} is not at least 1")
        if self.schedule not in get_args(Schedule):
            known = ", ".join(get_args(Schedule))
            raise SodError(f"optimiser.schedule: '{self.schedule}' is none of {known}")

    def build(self, parameters: Iterable[Parameter], steps: float) -> OptimizerLRSchedulerConfig:
        """Return AdamW and its schedule, which advances per optimiser step.

        Args:
            parameters: What is trained.
            steps: Optimiser steps of the whole training.

        Raises:
            SodError: A cosine was asked for and the training has no end.
        """
        if self.schedule == "cosine" and steps == float("inf"):
            raise SodError("trainer: a cosine needs an end: set max_steps or max_epochs")
        optimiser = AdamW(parameters, lr=self.lr, weight_decay=self.weight_decay)
        schedule = self._schedule(optimiser, steps)
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def restart(self, trainer: Trainer) -> None:
        """Clear the optimiser's state and gradients, and start its schedule for the steps left.

        Args:
            trainer: A trainer in a training with the optimiser of :meth:`build`.
        """
        optimiser, schedule = trainer.optimizers[0], trainer.lr_scheduler_configs[0].scheduler
        steps = trainer.estimated_stepping_batches - trainer.global_step
        optimiser.zero_grad()
        optimiser.state.clear()
        for group in optimiser.param_groups:
            group.update(lr=self.lr, initial_lr=self.lr)
        schedule.load_state_dict(self._schedule(optimiser, steps).state_dict())

    def _schedule(self, optimiser: torch.optim.Optimizer, steps: float) -> LRScheduler:
        if self.schedule == "cosine":
            return CosineAnnealingLR(optimiser, max(int(steps), 1))
        return StepLR(optimiser, self.step_size, self.gamma)
