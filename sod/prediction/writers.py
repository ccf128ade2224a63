"""Maps, masks, overlays, cut-outs and boxes of predicted images, written batch by batch."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from sod.core.distributed import gather
from sod.data.dataset import AnyBatch
from sod.data.pictures import write_picture
from sod.data.samples import Sample
from sod.prediction.boxes import find_objects, write_boxes, write_part
from sod.prediction.callback import PredictionCallback, refined_maps
from sod.prediction.cutouts import CutoutOptions, cut_out
from sod.prediction.full_size import full_map, full_pixels
from sod.prediction.opacity import Map, OpacityOptions, object_mask, opacity
from sod.prediction.outputs import Output, output_file
from sod.refinement.kinds import Refinement

Pixels = NDArray[np.uint8]
TINT = np.array([230.0, 60.0, 40.0])
"""Colour of the object in overlays, RGB in [0, 255]."""
ROWS = 512
"""Rows of an overlay that are mixed at once, to bound the memory of large images."""

OPACITY, CUTOUT = OpacityOptions(), CutoutOptions()


@dataclass(frozen=True)
class Look:
    """How maps become pictures.

    Args:
        opacity: Threshold, objects and sharpness.
        cutout: Edges, crop and background of cut-outs.
    """

    opacity: OpacityOptions = OPACITY
    cutout: CutoutOptions = CUTOUT


LOOK = Look()


def render(image: Pixels, saliency: Map, kind: Output, look: Look = LOOK) -> Image.Image:
    """Render the saliency of one image as a picture.

    Args:
        image: RGB, ``[H, W, 3]``.
        saliency: ``[H, W]`` in [0, 1].
        kind: ``map`` (8-bit grey), ``mask`` (0 or 255), ``overlay`` (the object tinted, the
            background dimmed) or ``cutout`` (RGBA, or RGB on a background).
        look: Threshold, sharpness, crop, background.
    """
    if kind == "map":
        return Image.fromarray(np.rint(saliency * 255).astype(np.uint8))
    if kind == "mask":
        return Image.fromarray(object_mask(saliency, look.opacity).astype(np.uint8) * 255)
    if kind == "cutout":
        return cut_out(image, saliency, look.opacity, look.cutout)
    return Image.fromarray(overlay(image, opacity(saliency, look.opacity)))


def overlay(image: Pixels, alpha: Map) -> Pixels:
    """Tint the object and dim the background.

    Args:
        image: RGB, ``[H, W, 3]``.
        alpha: Opacity of the object, ``[H, W]`` in [0, 1].
    """
    parts = (slice(row, row + ROWS) for row in range(0, len(image), ROWS))
    return np.concatenate([_mixed(image[part], alpha[part]) for part in parts])


def _mixed(image: Pixels, alpha: Map) -> Pixels:
    weight = alpha[..., None]
    grey = image.mean(axis=2, keepdims=True)
    mixed = weight * (0.65 * image + 0.35 * TINT) + (1 - weight) * (0.5 * image + 0.2 * grey)
    return np.asarray(np.clip(np.rint(mixed), 0, 255), np.uint8)


class PredictionWriter(PredictionCallback):
    """Writes ``OUT/KIND/NAME.png`` or ``.json`` for each image and output, batch by batch.

    Args:
        out: Output folder, with one sub-folder per kind.
        outputs: Kinds of output; ``instances`` and ``answers`` are ignored here: they have writers
            of their own.
        refinement: Refinement of the saliency before it is written.
        look: How maps become pictures.
        threads: Threads that refine and write while the next image is predicted; None: as many as
            suit the CPUs.

    Attributes:
        written: Number of images written.
    """

    def __init__(
        self,
        out: Path,
        outputs: Sequence[Output],
        refinement: Refinement,
        look: Look = LOOK,
        threads: int | None = None,
    ) -> None:
        super().__init__(threads)
        self.out = out
        self.outputs = [kind for kind in outputs if kind not in {"instances", "answers"}]
        self.refinement: Refinement = refinement
        self.look = look
        self.written = 0

    def process(self, batch: AnyBatch, outputs: Any, method: pl.LightningModule) -> int:  # noqa: ANN401
        """Write the outputs of one batch, and return the number of images.

        Raises:
            SodError: A file cannot be written.
        """
        for sample, image, map_ in refined_maps(batch, outputs["saliency"], self.refinement):
            self._write(sample, image, map_)
        return len(batch["samples"])

    def take(self, processed: int) -> None:
        """Count the images."""
        self.written += processed

    def on_predict_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Gather failures and counts of all processes."""
        super().on_predict_epoch_end(trainer, pl_module)
        self.written = sum(gather([self.written]))

    def _write(self, sample: Sample, image: Tensor, saliency: Tensor) -> None:
        pixels = full_pixels(sample, image)
        size = (pixels.shape[0], pixels.shape[1])
        values = full_map(saliency, size)
        for kind in self.outputs:
            path = output_file(self.out, kind, sample.name)
            if kind in {"boxes", "coco"}:
                write = write_boxes if kind == "boxes" else write_part
                write(path, size, find_objects(values, object_mask(values, self.look.opacity)))
            else:
                write_picture(path, render(pixels, values, kind, self.look))
