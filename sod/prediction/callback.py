"""The base class of callbacks that process predictions."""

from abc import ABC, abstractmethod
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback

from sod.core.distributed import gather
from sod.data.dataset import Batch


class PredictionCallback(Callback, ABC):
    """Processes each predicted batch, and collects the images that could not be read.

    Attributes:
        failures: One line per image that could not be read; of all processes after the loop.
    """

    def __init__(self) -> None:
        self.failures: list[str] = []

    @abstractmethod
    def process(self, batch: Batch, outputs: Any, method: pl.LightningModule) -> None:  # noqa: ANN401
        """Process a batch with at least one image.

        Args:
            batch: The batch.
            outputs: What the method's ``predict_step`` returned.
            method: The method.
        """

    def on_predict_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,  # noqa: ANN401 - Lightning's own signature
        batch: Batch,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Collect unreadable images, and process the others."""
        self.failures += batch["errors"]
        if batch["samples"]:
            self.process(batch, outputs, pl_module)

    def on_predict_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Gather the failures of all processes."""
        self.failures = gather(self.failures)
