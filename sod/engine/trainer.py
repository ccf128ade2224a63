"""The trainer of one training: its callbacks, checkpoints and log."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback, EarlyStopping, ModelCheckpoint
from pytorch_lightning.loggers import TensorBoardLogger

from sod.core.errors import SodError, suggest
from sod.data.datamodule import SaliencyData
from sod.engine.mask_validation import MASK_MEASURES, MaskValidation
from sod.engine.method import Method
from sod.engine.visuals import ImageGrids

SCORE = "val/score"
"""The label-free figure that selects a checkpoint, where a method logs it."""

BEST = {SCORE: "max", **MASK_MEASURES}
"""The figures that can select a checkpoint: whether the largest or the smallest is the best."""


class BuildTrainer(Protocol):
    """Builds the trainer that the configuration describes."""

    def __call__(self, callbacks: list[Callback], **kwargs: Any) -> pl.Trainer:  # noqa: ANN401
        """Return it with these callbacks; ``kwargs`` replace its own arguments."""


@dataclass(frozen=True)
class FitOptions:
    """What is written while a method is trained, and when it stops.

    Args:
        save_every: Optimiser steps between two writes of ``last.ckpt``.
        patience: Stop after so many validations without a better ``best``; None: never.
        grids_every: Optimiser steps between two image grids in TensorBoard.
        best: The figure that selects ``best.ckpt`` and that ``patience`` follows, one of ``BEST``.
    """

    save_every: int = 50
    patience: int | None = None
    grids_every: int = 50
    best: str = SCORE

    def __post_init__(self) -> None:
        """Reject an unknown figure."""
        if self.best not in BEST:
            raise SodError(
                f"--best: '{self.best}' is none of {', '.join(BEST)}.{suggest(self.best, BEST)}"
            )


class Provenance(Callback):
    """Records in each checkpoint what it was trained on.

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


class SaveAtEnd(Callback):
    """Writes ``last.ckpt`` at the end of the training.

    Args:
        folder: Where to.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write the final state."""
        trainer.save_checkpoint(self.folder / "last.ckpt")


def effective_batch(trainer: pl.Trainer, data: SaliencyData) -> str:
    """Return one line with the images per optimiser step: devices, batch and accumulation.

    Raises:
        SodError: The batch of one step cannot be shared by the processes.
    """
    processes, accumulated = trainer.world_size, trainer.accumulate_grad_batches
    images = data.process_batch_size(processes, accumulated)
    return (
        f"{processes * images * accumulated} images per optimiser step: {processes} processes x "
        f"{images} x {accumulated} accumulated; the learning rate is for that batch, it is not "
        "scaled"
    )


def check_best(data: SaliencyData, options: FitOptions) -> None:
    """Check that the figure that selects the checkpoint can be measured.

    Raises:
        SodError: It needs masks, and no masks are read in validation.
    """
    if options.best in MASK_MEASURES and not data.val_masks:
        raise SodError(
            f"--best {options.best}: needs masks: name a split in data.val and set data.val_masks"
        )


def training_trainer(
    method: Method,
    data: SaliencyData,
    folder: Path,
    build_trainer: BuildTrainer,
    options: FitOptions,
    **kwargs: Any,  # noqa: ANN401 - Trainer's own arguments
) -> pl.Trainer:
    """Build the trainer of one training, with its checkpoints and log.

    Args:
        method: What is trained.
        data: What it is trained on.
        folder: For ``last.ckpt``, ``best.ckpt`` and the TensorBoard log.
        build_trainer: Builds the trainer.
        options: What is written, and when it stops.
        kwargs: Arguments of the trainer that replace the configured ones.

    Raises:
        SodError: ``patience`` is set and nothing is scored, or ``best`` needs masks.
    """
    check_best(data, options)
    scored = method.logs_score() and (data.val is not None or data.val_images > 0)
    callbacks: list[Callback] = [Provenance(data.train), ImageGrids(options.grids_every)]
    callbacks += [MaskValidation()] if data.val_masks else []
    callbacks += _checkpoint_callbacks(folder, options.save_every, options.best if scored else None)
    if options.patience is not None:
        if not scored:
            raise SodError("--patience: nothing is scored; validate on images (data.val_images)")
        mode = BEST[options.best]
        callbacks.append(
            EarlyStopping(options.best, patience=options.patience, mode=mode, check_finite=True)
        )
    logger = TensorBoardLogger(folder, name="", version="tensorboard")
    return build_trainer(callbacks, logger=logger, enable_checkpointing=True, **kwargs)


def _checkpoint_callbacks(folder: Path, save_every: int, best: str | None) -> list[Callback]:
    """Return the callbacks that write ``last.ckpt`` and, if a figure selects it, ``best.ckpt``.

    ``last.ckpt`` is also written at the end of the training. (Lightning 2.6.6 miscounts when it
    resumes from a checkpoint that was written at the end of an epoch.)
    """
    last = ModelCheckpoint(
        folder, "last", every_n_train_steps=save_every, enable_version_counter=False
    )
    callbacks: list[Callback] = [last, SaveAtEnd(folder)]
    if best is not None:
        selected = ModelCheckpoint(
            folder,
            "best",
            monitor=best,
            mode=BEST[best],
            save_weights_only=True,
            enable_version_counter=False,
        )
        callbacks.append(selected)
    return callbacks
