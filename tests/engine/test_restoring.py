"""Broken states of a checkpoint: found before a training goes on, and named in one line."""

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.training_runs import arguments, unlabelled_scenes

from sod.cli import main

FIT = ("loops", "fit_loop")
SHORT = ("--data.batch_size=4", "--trainer.enable_model_summary=false")


class Run:
    def __init__(self, place: Path) -> None:
        self.scenes, self.out = unlabelled_scenes(place / "scenes"), place / "run"
        assert self.fit(2) == 0
        self.good = torch.load(self.out / "last.ckpt", weights_only=True)

    def fit(self, steps: int) -> int:
        return main(arguments(self.scenes, self.out, *SHORT, f"--trainer.max_steps={steps}"))

    def broken(self, path: tuple[Any, ...], value: object) -> None:
        content = copy.deepcopy(self.good)
        place = content
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = value
        torch.save(content, self.out / "last.ckpt")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return Run(tmp_path_factory.mktemp("restoring"))


BROKEN = [
    (("global_step",), "2", "global_step: is not a number of steps"),
    ((*FIT, "epoch_progress", "current", "ready"), None, "current.ready: is not a whole number"),
    (("optimizer_states", 0, "state", 0, "exp_avg"), torch.zeros(3), "exp_avg: has the shape [3]"),
    (("callbacks", "RunLength"), {}, "callbacks.RunLength.steps: is missing"),
]
MORE = [
    (("global_step",), 7, "global_step: is 7, but its loops count 2 steps"),
    (("epoch",), "a", "epoch: is not a whole number"),
    (("loops",), 3, "loops.fit_loop: is missing"),
    ((*FIT, "epoch_progress", "current", "ready"), -2, "current.ready: is negative"),
    ((*FIT, "state_dict", "combined_loader"), [{"epoch": "a"}], "combined_loader.0.epoch"),
    (("callbacks", "RunCheckpoints"), [1], "callbacks.RunCheckpoints: is not a mapping"),
    (("callbacks", "RunCheckpoints", "value"), "a", "best.value: is not a number"),
    (("optimizer_states",), 5, "optimizer_states: is not a list of 1"),
    (("optimizer_states", 0, "state", 0), {}, "state.0: lacks step, exp_avg or exp_avg_sq"),
    (("optimizer_states", 0, "param_groups", 0, "lr"), "x", "lr: is not a number"),
    (("optimizer_states", 0, "param_groups", 0, "params"), [0], "params: is not a list of 2"),
    (("lr_schedulers", 0), 3, "lr_schedulers.0: is not a mapping"),
    (("pytorch-lightning_version",), 5, "version: "),
    (("state_dict", "head.1.weight"), torch.zeros(2), "state_dict: "),
]


@pytest.mark.parametrize(
    ("path", "value", "fault"),
    [*BROKEN, *(pytest.param(*case, marks=pytest.mark.slow) for case in MORE)],
)
def test_a_broken_state_is_named_before_the_training_goes_on(
    run: Run, capsys: pytest.CaptureFixture[str], path: tuple[Any, ...], value: object, fault: str
) -> None:
    run.broken(path, value)
    before = (run.out / "last.ckpt").read_bytes()
    capsys.readouterr()
    assert run.fit(4) == 2
    errors = [line for line in capsys.readouterr().err.splitlines() if "error" in line]
    assert len(errors) == 1
    assert f"{run.out / 'last.ckpt'}: " in errors[0]
    assert fault in errors[0]
    assert (run.out / "last.ckpt").read_bytes() == before
