"""One training: its checkpoints, what they remember, and pictures for TensorBoard."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback, EarlyStopping, ModelCheckpoint
from pytorch_lightning.loggers import TensorBoardLogger
from torch import Tensor
from torch.nn.functional import interpolate

from sod.core.errors import SodError
from sod.data.datamodule import SaliencyData
from sod.engine.checkpoint import read_checkpoint
from sod.engine.method import Method

SCORE = "val/score"
"""The label-free figure that chooses a checkpoint, where a method logs it."""


class BuildTrainer(Protocol):
    """Builds the trainer that the configuration describes."""

    def __call__(self, callbacks: list[Callback], **kwargs: Any) -> pl.Trainer:  # noqa: ANN401
        """Return it with these callbacks, and with these arguments instead of its own."""


@dataclass(frozen=True)
class FitOptions:
    """What is written while a method is trained, and when it stops.

    Args:
        save_every: Optimiser steps between two writes of ``last.ckpt``.
        patience: Stop after so many validations without a better label-free score; None: never.
        grids_every: Optimiser steps between two image grids in TensorBoard.
    """

    save_every: int = 50
    patience: int | None = None
    grids_every: int = 50


class Provenance(Callback):
    """Writes into each checkpoint what it was trained on.

    Args:
        train: ``data.train``.
    """

    def __init__(self, train: str | None) -> None:
        self.train = train

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Add ``trained_on``."""
        checkpoint["trained_on"] = self.train


class LastAtEnd(Callback):
    """Writes ``last.ckpt`` when the training is over.

    Args:
        folder: Where to.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write the final state."""
        trainer.save_checkpoint(self.folder / "last.ckpt")


class ImageGrids(Callback):
    """Writes what a method shows of its batches to TensorBoard, side by side.

    A method shows something by keeping ``shown``, a dict of maps or images ``[B, 1 or 3, H, W]``.

    Args:
        every: Optimiser steps between two grids.
        images: Rows of a grid.
    """

    def __init__(self, every: int, images: int = 4) -> None:
        self.every = every
        self.images = images

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,  # noqa: ANN401 - Lightning's own signature
        batch: Any,  # noqa: ANN401
        batch_idx: int,
    ) -> None:
        """Write a grid where one is due."""
        shown = getattr(pl_module, "shown", None)
        due = trainer.global_step % self.every == 0 and trainer.is_global_zero
        if not shown or not due or not isinstance(trainer.logger, TensorBoardLogger):
            return
        grid = tile(shown, self.images)
        trainer.logger.experiment.add_image("/".join(shown), grid, trainer.global_step)


def tile(shown: dict[str, Tensor], images: int) -> Tensor:
    """Lay maps and images out: a row for each sample, a column for each kind.

    Args:
        shown: Name to ``[B, 1 or 3, H, W]`` in [0, 1]; the first sets the size of all.
        images: Rows at most.

    Returns:
        ``[3, rows * H, columns * W]`` in [0, 1], on the CPU.
    """
    size = next(iter(shown.values())).shape[-2:]
    columns = [
        interpolate(maps[:images].detach().float().cpu(), tuple(size)).expand(-1, 3, -1, -1)
        for maps in shown.values()
    ]
    return torch.cat([torch.cat(list(column), 1) for column in columns], 2).clamp(0, 1)


def checkpoints(folder: Path, save_every: int, scored: bool) -> list[Callback]:
    """Return the callbacks that write ``last.ckpt`` and, where a score is logged, ``best.ckpt``.

    Args:
        folder: Where to.
        save_every: Optimiser steps between two writes of ``last.ckpt``; it is also written at the
            end of the training. (Lightning 2.6.6 miscounts when it resumes from a checkpoint that
            was written at the end of an epoch.)
        scored: Whether the method logs :data:`SCORE`.
    """
    callbacks: list[Callback] = [
        ModelCheckpoint(
            folder, "last", every_n_train_steps=save_every, enable_version_counter=False
        ),
        LastAtEnd(folder),
    ]
    if scored:
        callbacks.append(
            ModelCheckpoint(
                folder,
                "best",
                monitor=SCORE,
                mode="max",
                save_weights_only=True,
                enable_version_counter=False,
            )
        )
    return callbacks


def early_stop(patience: int) -> EarlyStopping:
    """Stop once the label-free score has not risen for so many validations."""
    return EarlyStopping(SCORE, patience=patience, mode="max", check_finite=True)


def resumes(path: str, data: SaliencyData) -> bool:
    """Say whether a checkpoint is a run to go on with, rather than weights to start from.

    It is, if it holds the optimiser's state and was trained on the same ``data.train``.

    Raises:
        SodError: The file cannot be used.
    """
    content = read_checkpoint(path)
    return bool(content.get("optimizer_states")) and content.get("trained_on") == data.train


def effective_batch(trainer: pl.Trainer, data: SaliencyData) -> str:
    """Put the images per optimiser step in words: devices, batch and accumulation."""
    accumulation = trainer.accumulate_grad_batches
    images = trainer.world_size * data.batch_size * accumulation
    return (
        f"{images} images per optimiser step: {trainer.world_size} processes x {data.batch_size} "
        f"x {accumulation} accumulated; the learning rate is for that batch, it is not scaled"
    )


def trainer_of(
    method: Method,
    data: SaliencyData,
    folder: Path,
    build_trainer: BuildTrainer,
    options: FitOptions,
    **kwargs: Any,  # noqa: ANN401 - Trainer's own arguments
) -> pl.Trainer:
    """Build the trainer that trains a method.

    Args:
        method: What learns.
        data: What it learns from.
        folder: Of the run: ``last.ckpt``, ``best.ckpt`` and the TensorBoard log.
        build_trainer: Builds the trainer.
        options: What is written, and when it stops.
        kwargs: Arguments of the trainer instead of the configured ones.

    Raises:
        SodError: Nothing is scored that could stop it early.
    """
    scored = method.scores() and (data.val is not None or data.val_images > 0)
    callbacks: list[Callback] = [Provenance(data.train), ImageGrids(options.grids_every)]
    callbacks += checkpoints(folder, options.save_every, scored)
    if options.patience is not None:
        if not scored:
            raise SodError("--patience: nothing is scored; validate on images (data.val_images)")
        callbacks.append(early_stop(options.patience))
    logger = TensorBoardLogger(folder, name="", version="tensorboard")
    return build_trainer(callbacks, logger=logger, enable_checkpointing=True, **kwargs)
