"""Callbacks of the loops."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
from PIL import Image
from torch import Tensor

from sod.core.errors import SodError
from sod.data.dataset import Batch
from sod.data.samples import Sample
from sod.engine.method import Prediction
from sod.evaluation.evaluator import Evaluator, Result, label
from sod.refine.refinement import Refinement


class Evaluation(pl.Callback):
    """Measures every test set while the test loop runs.

    Args:
        method: The name that the rows carry.
        datasets: The names of the test sets, in the loaders' order.
        protocol: The metric protocol's name.
        refinements: A row each per dataset.
        maps: Folder for the saliency maps, or None to keep none.

    Attributes:
        results: One per dataset, once the loop is over.
    """

    def __init__(
        self,
        method: str,
        datasets: Sequence[str],
        protocol: str,
        refinements: Sequence[Refinement],
        maps: Path | None = None,
    ) -> None:
        self.evaluators = [Evaluator(method, name, protocol, refinements) for name in datasets]
        self.maps = maps
        self.results: list[Result] = []

    def on_test_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Prediction | Any,  # noqa: ANN401 - Lightning's own signature
        batch: Batch,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Measure the images of one batch, and save their maps where that is asked for."""
        evaluator = self.evaluators[dataloader_idx]
        for sample, image, mask, saliency in zip(
            batch["samples"], batch["images"], batch["masks"], outputs["saliency"], strict=True
        ):
            if mask is None:
                raise SodError(f"{sample.image}: has no mask to be measured with.")
            maps = evaluator.update(sample, image, mask, saliency, outputs["seconds"])
            if self.maps is not None:
                save_maps(self.maps, evaluator, sample, maps)

    def on_test_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Bring the figures of all processes together."""
        self.results = [evaluator.result() for evaluator in self.evaluators]


def save_maps(
    folder: Path, evaluator: Evaluator, sample: Sample, maps: dict[Refinement, Tensor]
) -> None:
    """Write the maps of one image as ``FOLDER/METHOD[+REFINEMENT]/DATASET/NAME.png``.

    Raises:
        SodError: A file cannot be written.
    """
    for kind, saliency in maps.items():
        place = folder / label(evaluator.method, kind) / evaluator.dataset
        save_map(place / f"{sample.name}.png", saliency)


def save_map(path: Path, saliency: Tensor) -> None:
    """Write saliency ``[H, W]`` in [0, 1] as an 8-bit PNG.

    Raises:
        SodError: The file cannot be written.
    """
    values = np.rint(saliency.float().clamp(0, 1).cpu().numpy() * 255).astype(np.uint8)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(values).save(path)
    except OSError as error:
        raise SodError(f"{path}: cannot be written: {error.strerror}.") from error
