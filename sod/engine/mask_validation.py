"""Validation with masks, for those who ask for it; it selects a checkpoint with ``--best`` only."""

from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback

from sod.core.errors import SodError
from sod.data.dataset import AnyBatch
from sod.engine.method import Method
from sod.metrics.collection import SaliencyMetrics
from sod.metrics.prepare import resize_saliency

MASK_MEASURES = {"val_masks/iou": "max", "val_masks/max_f": "max", "val_masks/mae": "min"}
"""The measures as they are logged: whether the largest or the smallest is the best."""


class MaskValidation(Callback):
    """Logs IoU, maximal F-measure and MAE of the validation images as ``val_masks/...``.

    The measures are those of `sod evaluate` in the protocol ``mean-max``, over the images of all
    validation sets and processes.
    """

    def __init__(self) -> None:
        self.metrics = SaliencyMetrics("mean-max")

    def on_validation_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Begin with no images."""
        self.metrics.reset()
        self.metrics.to(pl_module.device)

    def on_validation_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,  # noqa: ANN401 - Lightning's own signature
        batch: AnyBatch,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Measure the images of one batch.

        Raises:
            SodError: An image has no mask.
        """
        if not batch["samples"]:
            return
        assert isinstance(pl_module, Method)  # noqa: S101 - narrows the type
        with trainer.precision_plugin.val_step_context():
            maps = pl_module.maps(batch["images"])
        for sample, map_, mask in zip(batch["samples"], maps, batch["masks"], strict=True):
            if mask is None:
                raise SodError(f"{sample.image}: has no mask to be measured with.")
            height, width = mask.shape
            protocol = self.metrics.protocol
            self.metrics.update(resize_saliency(map_[0], (height, width), protocol), mask)

    def on_validation_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Log the measures of all processes."""
        measures = self.metrics.compute()
        for name in MASK_MEASURES:
            value = measures[name.removeprefix("val_masks/")]
            pl_module.log(name, value, sync_dist=True)  # already equal in all processes
