"""Photos without masks in; the calibration of a method's maps out."""

from collections.abc import Sequence
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor

from sod.core.distributed import gather
from sod.core.errors import SodError
from sod.data.dataset import AnyBatch
from sod.data.maps import check_map
from sod.engine.method import Method
from sod.prediction.callback import PredictionCallback
from sod.refinement.calibration import Calibrations
from sod.refinement.kinds import Refinement, refine
from sod.refinement.view_agreement import ViewAgreement


class Calibrating(PredictionCallback):
    """Compares the maps of images with those of the mirrored images during the prediction loop.

    Args:
        refinements: Refinements to calibrate the maps after.

    Attributes:
        agreements: What was counted, by refinement; of all processes after the loop.
    """

    def __init__(self, refinements: Sequence[Refinement]) -> None:
        super().__init__()
        self.agreements = {kind: ViewAgreement() for kind in refinements}

    def process(self, batch: AnyBatch, outputs: Any, method: pl.LightningModule) -> None:  # noqa: ANN401
        """Count the pixels of one batch."""
        assert isinstance(method, Method)  # noqa: S101 - narrows the type
        views = method.maps(_mirrored(batch["images"]))
        for sample, image, saliency, view in zip(
            batch["samples"], batch["images"], outputs["saliency"], views, strict=True
        ):
            check_map(saliency, sample.image)
            check_map(view, sample.image)
            for kind, agreement in self.agreements.items():
                own = refine(image[None], saliency[None], kind)
                other = refine(image[None].flip(-1), view[None], kind)
                agreement.add(own, other.flip(-1))

    def on_predict_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Gather failures and counts of all processes."""
        super().on_predict_epoch_end(trainer, pl_module)
        for agreement in self.agreements.values():
            parts = gather([(agreement.joint, agreement.images)])
            agreement.joint = torch.stack([joint for joint, _ in parts]).sum(0)
            agreement.images = sum(images for _, images in parts)

    def calibrations(self, tolerance: float) -> Calibrations:
        """Return the calibration after each refinement (:meth:`ViewAgreement.calibration`).

        Raises:
            SodError: No image could be read.
        """
        if not all(agreement.images for agreement in self.agreements.values()):
            raise SodError("--source: no image could be read.")
        return {kind: each.calibration(tolerance) for kind, each in self.agreements.items()}


def _mirrored(images: Tensor | list[Tensor]) -> Tensor | list[Tensor]:
    if isinstance(images, Tensor):
        return images.flip(-1)
    return [image.flip(-1) for image in images]
