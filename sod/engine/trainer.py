"""The trainer of one training: its callbacks, checkpoints and log."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback, EarlyStopping, LearningRateMonitor

from sod.core.errors import SodError, suggest
from sod.data.datamodule import SaliencyData
from sod.engine.best import BestScore
from sod.engine.log import RunLog
from sod.engine.mask_validation import MASK_MEASURES, MaskValidation
from sod.engine.method import Method
from sod.engine.run_checkpoints import RunCheckpoints
from sod.engine.schedule import RunLength
from sod.engine.skipped import SkippedImages
from sod.engine.visuals import ImageGrids
from sod.nn.backbones.base import use_cache

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
        """Reject an unknown figure and intervals of no steps."""
        counts = {"save_every": self.save_every, "grids_every": self.grids_every}
        if self.patience is not None:
            counts["patience"] = self.patience
        for name, value in counts.items():
            if value < 1:
                raise SodError(f"--{name}: {value} is not at least 1")
        if self.best not in BEST:
            raise SodError(
                f"--best: '{self.best}' is none of {', '.join(BEST)}.{suggest(self.best, BEST)}"
            )


def effective_batch(trainer: pl.Trainer, data: SaliencyData) -> str:
    """Return one line with the images per optimiser step: devices, batch and accumulation.

    Raises:
        SodError: The batch of one step cannot be shared by the processes.
    """
    processes, accumulated = trainer.world_size, trainer.accumulate_grad_batches
    batch = data.process_batch_size(processes, accumulated)
    share = max(len(data.train_dataloader().dataset) // processes, 1)
    images, accumulated = min(batch, share), min(accumulated, max(share // batch, 1))
    fewer = "" if images == batch else f", all that there are (data.batch_size is {batch})"
    return (
        f"{processes * images * accumulated} images per optimiser step: {processes} processes x "
        f"{images} x {accumulated} accumulated{fewer}; the learning rate is for that batch, it is "
        "not scaled"
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


def check_size(method: Method, data: SaliencyData) -> None:
    """Check that a training image has a patch of the method's backbone, if it has one.

    Raises:
        SodError: It is smaller.
    """
    patch = getattr(getattr(method, "backbone", None), "patch_size", 1)
    if data.size < patch:
        raise SodError(
            f"data.size: {data.size} pixels are less than a patch of the backbone, {patch} pixels"
        )


def training_trainer(
    method: Method,
    data: SaliencyData,
    folder: Path,
    build_trainer: BuildTrainer,
    options: FitOptions,
    report: Callable[[str], None],
    first_step: int = 0,
    **kwargs: Any,  # noqa: ANN401 - Trainer's own arguments
) -> pl.Trainer:
    """Build the trainer of one training, with its checkpoints and log.

    Args:
        method: What is trained.
        data: What it is trained on.
        folder: For ``last.ckpt``, ``best.ckpt`` and the TensorBoard log.
        build_trainer: Builds the trainer.
        options: What is written, and when it stops.
        report: Prints one line for the user.
        first_step: Optimiser steps that are done already.
        kwargs: Arguments of the trainer that replace the configured ones.

    Raises:
        SodError: ``patience`` is set and nothing is scored, or ``best`` needs masks.
    """
    check_best(data, options)
    check_size(method, data)
    if not use_cache(method, data.features):
        data.views = data.kept_views = None  # fixed ones would save nothing
    scored = method.logs_score() and (data.val is not None or data.val_images > 0)
    best = BestScore(options.best, BEST[options.best]) if scored else None
    callbacks: list[Callback] = [
        RunLength(report),
        SkippedImages(report),
        ImageGrids(options.grids_every),
        LearningRateMonitor("step"),
        *([MaskValidation()] if data.val_masks else []),
        *([_early_stopping(options, scored)] if options.patience is not None else []),
        RunCheckpoints(folder, options.save_every, best, data.train),
    ]
    logger = RunLog(folder, first_step)
    return build_trainer(callbacks, logger=logger, enable_checkpointing=True, **kwargs)


def _early_stopping(options: FitOptions, scored: bool) -> EarlyStopping:
    """Return the callback that stops after ``patience`` validations; it decides right after one.

    Raises:
        SodError: Nothing is scored.
    """
    if not scored:
        raise SodError("--patience: nothing is scored; validate on images (data.val_images)")
    return EarlyStopping(
        options.best,
        patience=options.patience or 0,
        mode=BEST[options.best],
        check_finite=True,
        check_on_train_epoch_end=False,
    )
