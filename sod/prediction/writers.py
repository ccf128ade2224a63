"""Saliency maps, overlays and cut-outs of predicted images, written batch by batch."""

from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import pytorch_lightning as pl
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from sod.core.distributed import gather
from sod.core.errors import SodError, suggest
from sod.data.dataset import AnyBatch
from sod.data.pictures import write_picture
from sod.data.samples import Sample
from sod.prediction.callback import PredictionCallback, refined_maps
from sod.prediction.working_size import full_map, full_pixels
from sod.refinement.kinds import Refinement

Output = Literal["map", "overlay", "cutout", "instances", "answers"]
TINT = np.array([230.0, 60.0, 40.0])
"""Colour of the object in overlays, RGB in [0, 255]."""
ROWS = 512
"""Rows of an overlay that are mixed at once, to bound the memory of large images."""


def parse_outputs(text: str) -> list[Output]:
    """Parse a comma-separated list of outputs such as ``map,overlay,cutout``.

    Raises:
        SodError: An output is unknown.
    """
    known: tuple[Output, ...] = get_args(Output)
    chosen: list[Output] = []
    for name in text.split(","):
        match = next((kind for kind in known if kind == name.strip()), None)
        if match is None:
            hint = suggest(name, known) or f" Known: {', '.join(known)}."
            raise SodError(f"--output {name.strip()}: unknown.{hint}")
        chosen.append(match)
    return chosen


def render(image: NDArray[np.uint8], saliency: NDArray[np.float32], kind: Output) -> Image.Image:
    """Render the saliency of one image as a picture of the same size.

    Args:
        image: RGB, ``[H, W, 3]``.
        saliency: ``[H, W]`` in [0, 1].
        kind: ``map`` (8-bit grey), ``overlay`` (the object tinted, the background dimmed) or
            ``cutout`` (RGBA with the saliency as opacity).
    """
    alpha = np.rint(saliency * 255).astype(np.uint8)
    if kind == "map":
        return Image.fromarray(alpha)
    if kind == "cutout":
        return Image.fromarray(np.dstack([image, alpha]))
    parts = range(0, len(image), ROWS)
    overlays = [_overlay(image[row : row + ROWS], saliency[row : row + ROWS]) for row in parts]
    return Image.fromarray(np.concatenate(overlays))


def _overlay(image: NDArray[np.uint8], saliency: NDArray[np.float32]) -> NDArray[np.uint8]:
    weight = saliency[..., None]
    grey = image.mean(axis=2, keepdims=True)
    mixed = weight * (0.65 * image + 0.35 * TINT) + (1 - weight) * (0.5 * image + 0.2 * grey)
    return np.asarray(np.clip(np.rint(mixed), 0, 255), np.uint8)


class PredictionWriter(PredictionCallback):
    """Writes ``OUT/KIND/NAME.png`` for each image and kind of output, at the end of each batch.

    Args:
        out: Output folder, with one sub-folder per kind.
        outputs: Kinds of output; ``instances`` and ``answers`` are ignored here: they have writers
            of their own.
        refinement: Refinement of the saliency before it is written.

    Attributes:
        written: Number of images written.
    """

    def __init__(self, out: Path, outputs: list[Output], refinement: Refinement) -> None:
        super().__init__()
        self.out = out
        self.outputs = outputs
        self.refinement: Refinement = refinement
        self.written = 0

    def process(self, batch: AnyBatch, outputs: Any, method: pl.LightningModule) -> None:  # noqa: ANN401
        """Write the outputs of one batch.

        Raises:
            SodError: A file cannot be written.
        """
        for sample, image, map_ in refined_maps(batch, outputs["saliency"], self.refinement):
            self._write(sample, image, map_)

    def on_predict_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Gather failures and counts of all processes."""
        super().on_predict_epoch_end(trainer, pl_module)
        self.written = sum(gather([self.written]))

    def _write(self, sample: Sample, image: Tensor, saliency: Tensor) -> None:
        pixels = full_pixels(sample, image)
        values = full_map(saliency, pixels.shape[:2])
        for kind in self.outputs:
            if kind in {"instances", "answers"}:
                continue
            path = self.out / kind / f"{sample.name}.png"
            write_picture(path, render(pixels, values, kind))
        self.written += 1
