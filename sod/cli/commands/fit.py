"""`sod fit`: train a method."""

import signal

from sod.cli.program import Program, say
from sod.core.errors import SodError
from sod.core.stopping import Interrupted
from sod.engine.method import Method
from sod.engine.processes import requeue_job
from sod.engine.trainer import FitOptions
from sod.engine.training import Training


def fit(
    cli: Program,
    out: str | None = None,
    ckpt: str | None = None,
    save_every: int = 50,
    patience: int | None = None,
    grids_every: int = 50,
    best: str = "val/score",
    overwrite: bool = False,
    strict: bool = False,
) -> int:
    """Train a method on images; masks are read with data.supervised or data.val_masks only.

    Args:
        cli: The assembled program.
        out: Folder of the run; by default runs/METHOD/NUMBER. A run of the same configuration that
            is there goes on.
        ckpt: Checkpoint to continue from: a last.ckpt trained on the same data.train is resumed
            exactly; any other file supplies the initial weights.
        save_every: Optimiser steps between two writes of last.ckpt.
        patience: Stop after so many validations without a better --best.
        grids_every: Optimiser steps between two image grids in TensorBoard.
        best: Figure that selects best.ckpt: the label-free val/score, or with data.val_masks
            val_masks/iou, val_masks/max_f or val_masks/mae.
        overwrite: Replace the run in --out instead of going on with it.
        strict: End at an image that cannot be read, instead of skipping it.
    """
    method = cli.method
    name = type(method).__name__
    if not method.is_trainable():
        raise SodError(
            f"{name} is training-free, there is nothing to fit: use `evaluate` or `predict`."
        )
    cli.datamodule.strict = strict
    training = Training(
        name,
        cli.datamodule,
        cli.build_trainer,
        FitOptions(save_every, patience, grids_every, best),
        out,
        ckpt,
        cli.save_config,
        say,
        overwrite,
        resumable=type(method).fit is Method.fit,
    )
    method.check_training(training)
    with training.opened():
        try:
            method.fit(training)
        except Interrupted as stop:
            separator = ". " if stop.advice else ""
            stop.advice += f"{separator}The same command with --out {training.folder} goes on."
            if stop.signum == getattr(signal, "SIGUSR1", None):
                stop.advice += requeue_job()
            raise
    return 0
