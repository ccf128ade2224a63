"""Training images that could not be read: named once each, and counted at the end."""

from collections.abc import Callable
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback

from sod.core.distributed import gather
from sod.data.dataset import AnyBatch


class SkippedImages(Callback):
    """Reports the images that a training has skipped.

    Args:
        report: Prints one line for the user; the first process does it.
    """

    def __init__(self, report: Callable[[str], None]) -> None:
        self.report = report
        self.errors: dict[str, None] = {}  # in the order of their appearance

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,  # noqa: ANN401 - Lightning's own signature
        batch: AnyBatch,
        batch_idx: int,
    ) -> None:
        """Name the images of this process that were skipped for the first time."""
        self._add(batch["errors"])

    def on_validation_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,  # noqa: ANN401 - Lightning's own signature
        batch: AnyBatch,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """As in training."""
        self._add(batch["errors"])

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Say how many images of all processes were skipped."""
        errors = set(gather(list(self.errors)))
        if errors:
            self.report(skipped_line(len(errors)))

    def _add(self, errors: list[str]) -> None:
        for error in errors:
            if error not in self.errors:
                self.errors[error] = None
                self.report(f"skipped {error}")


def skipped_line(count: int) -> str:
    """Return one line with the number of images that were skipped."""
    images = "1 image" if count == 1 else f"{count} images"
    return f"{images} could not be read and had no part in the training (--strict stops instead)"
