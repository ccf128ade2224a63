"""A restart of PEEKABOO after a collapse: its head, and its learning rates."""

from math import cos, pi
from pathlib import Path

import pytest
import pytorch_lightning as pl
import torch
from helpers.device_cases import DESCRIPTOR
from torch import Tensor

from sod.cli.app import assemble
from sod.cli.catalogue import COMMANDS
from sod.data.synthetic import write_scenes
from sod.methods.peekaboo import Peekaboo

STEPS = 8
SAVED = 5


def weights_of(method: pl.LightningModule) -> Tensor:
    """Return a copy of the head's weights."""
    assert isinstance(method, Peekaboo)
    return method.head.predict.weight.detach().clone()


class Recorder(pl.Callback):
    """Records the rate and the weights before each step, and saves a checkpoint after one."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "saved.ckpt"
        self.rates: list[float] = []
        self.weights: list[Tensor] = []

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: object
    ) -> None:
        self.rates.append(trainer.optimizers[0].param_groups[0]["lr"])
        self.weights.append(weights_of(pl_module))

    def on_train_batch_end(self, trainer: pl.Trainer, *_: object) -> None:
        if trainer.global_step == SAVED:
            trainer.save_checkpoint(self.file)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.weights.append(weights_of(pl_module))


def train(folder: Path, *more: str, ckpt: Path | None = None) -> Recorder:
    """Train for eight steps; every third is taken for a collapse."""
    if not (folder / "scenes").is_dir():
        write_scenes(folder / "scenes", count=6, size=32, seed=1)
    words = ["--model=Peekaboo", *DESCRIPTOR, "--data.train", str(folder / "scenes")]
    words += [
        "--data.size=32",
        "--data.batch_size=3",
        "--data.num_workers=0",
        "--data.val_images=0",
    ]
    words += ["--model.guard.low=1.1", "--model.guard.patience=3", "--model.optimiser.lr=0.1"]
    words += ["--trainer.accelerator=cpu", f"--trainer.max_steps={STEPS}", *more]
    words += ["--trainer.enable_progress_bar=false", "--trainer.enable_model_summary=false"]
    program = assemble(COMMANDS["fit"], words)
    recorder = Recorder(folder)
    trainer = program.build_trainer([recorder])
    with pytest.warns(UserWarning, match="restarting with a fresh head"):
        trainer.fit(program.method, program.datamodule, ckpt_path=ckpt, weights_only=True)
    return recorder


def test_a_step_schedule_begins_again(tmp_path: Path) -> None:
    words = ["--model.optimiser.schedule=step", "--model.optimiser.step_size=2"]
    rates = train(tmp_path, *words, "--model.optimiser.gamma=0.5").rates
    assert rates == pytest.approx([0.1, 0.1, 0.05] * 2 + [0.1, 0.1])


def test_a_cosine_falls_to_zero_in_the_steps_that_are_left(tmp_path: Path) -> None:
    rates = train(tmp_path, "--model.optimiser.schedule=cosine").rates
    wanted = [(step, length) for length in (8, 5, 2) for step in range(min(length, 3))]
    assert rates == pytest.approx([0.05 * (1 + cos(pi * step / left)) for step, left in wanted])


def test_the_fresh_head_depends_on_seed_and_step(tmp_path: Path) -> None:
    first, again, other = (train(tmp_path, f"--seed_everything={s}").weights for s in (0, 0, 1))
    for restart in (3, 6):
        assert torch.equal(first[restart], again[restart])
        assert not torch.allclose(first[restart], other[restart], atol=1e-3)
    assert not torch.allclose(first[3], first[6], atol=1e-3)


def test_a_resumed_run_goes_on_with_the_rates_of_the_restart(tmp_path: Path) -> None:
    whole = train(tmp_path, "--model.optimiser.schedule=cosine")
    resumed = train(tmp_path, "--model.optimiser.schedule=cosine", ckpt=whole.file)
    assert resumed.rates == whole.rates[SAVED:]
    assert torch.equal(resumed.weights[-1], whole.weights[-1])
