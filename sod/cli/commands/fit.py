"""`sod fit`: train a method."""

from pathlib import Path

from pytorch_lightning.callbacks import Callback
from pytorch_lightning.loggers import TensorBoardLogger

from sod.checkpoint import load_weights
from sod.cli.program import Program, console, make_folder
from sod.errors import SodError
from sod.training import (
    ImageGrids,
    Provenance,
    checkpoints,
    early_stop,
    effective_batch,
    resumes,
)


def fit(
    cli: Program,
    out: str | None = None,
    ckpt: str | None = None,
    save_every: int = 50,
    patience: int | None = None,
    grids_every: int = 50,
) -> int:
    """Train a method on images; masks are not opened unless data.supervised says so.

    Args:
        cli: The assembled program.
        out: Folder of the run; by default runs/METHOD/NUMBER.
        ckpt: Checkpoint to go on from: a last.ckpt trained on the same data.train is resumed
            exactly; of any other file the weights are taken to start from.
        save_every: Optimiser steps between two writes of last.ckpt.
        patience: Stop after so many validations without a better label-free score.
        grids_every: Optimiser steps between two image grids in TensorBoard.
    """
    method, data = cli.method, cli.datamodule
    name = type(method).__name__
    if not method.learns():
        raise SodError(
            f"{name} is training-free, there is nothing to fit: use `evaluate` or `predict`."
        )
    resumed = ckpt is not None and resumes(ckpt, data)
    if not resumed:
        load_weights(method, ckpt)
    folder = make_folder(out or _folder(name, ckpt if resumed else None))
    scored = method.scores() and (data.val is not None or data.val_images > 0)
    callbacks: list[Callback] = [Provenance(data.train), ImageGrids(grids_every)]
    callbacks += checkpoints(folder, save_every, scored)
    if patience is not None:
        if not scored:
            raise SodError("--patience: nothing is scored; validate on images (data.val_images)")
        callbacks.append(early_stop(patience))
    logger = TensorBoardLogger(folder, name="", version="tensorboard")
    trainer = cli.build_trainer(callbacks, logger=logger, enable_checkpointing=True)
    if trainer.is_global_zero:
        cli.save_config(folder / "config.yaml")
        console.print(effective_batch(trainer, data), soft_wrap=True)
        if ckpt is not None:
            verb = "resuming the run of" if resumed else "starting from the weights of"
            console.print(f"{verb} {ckpt}", soft_wrap=True)
    trainer.fit(method, data, ckpt_path=ckpt if resumed else None, weights_only=True)
    if trainer.is_global_zero:
        console.print(f"{trainer.global_step} steps; checkpoints and log in {folder}")
    return 0


def _folder(name: str, resumed: str | None) -> str:
    """Return the folder of the resumed run, or a new one."""
    return str(Path(resumed).parent if resumed else next_run(Path("runs") / name))


def next_run(parent: Path) -> Path:
    """Return ``parent`` / the first number that no run has yet."""
    numbers = [int(entry.name) for entry in parent.glob("*") if entry.name.isdigit()]
    return parent / str(max(numbers, default=-1) + 1)
