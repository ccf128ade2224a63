"""Images of a run, read once: kept decoded up to a limit, and as thumbnails."""

from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor

from sod.data.dataset import AnyBatch
from sod.data.levels import to_levels
from sod.data.reading import read_image
from sod.data.working_size import at_working_size
from sod.nn.decoders.quality import resize_square
from sod.prediction.callback import PredictionCallback

LIMIT = 2**30
"""Bytes of decoded images that are kept; further ones are read again when they are needed."""


class ImageCache(PredictionCallback):
    """Keeps images, so that a generation reads each of them once.

    As a callback of a labelling trainer it keeps the images of the batches.

    Args:
        thumbnail_size: Side of the thumbnails in pixels.
        limit: Bytes of decoded images to keep.
    """

    def __init__(self, thumbnail_size: int, limit: int = LIMIT) -> None:
        super().__init__()
        self.thumbnail_size = thumbnail_size
        self._free = limit
        self._pixels: dict[Path, Tensor] = {}
        self._thumbnails: dict[Path, Tensor] = {}

    def process(self, batch: AnyBatch, outputs: Any, method: pl.LightningModule) -> None:  # noqa: ANN401
        """Keep the images of one batch."""
        for sample, image in zip(batch["samples"], batch["images"], strict=True):
            if sample.image not in self._thumbnails:
                self._keep(sample.image, to_levels(image).cpu())

    def pixels(self, path: Path) -> Tensor:
        """Return an image, at most at the working size, as uint8 ``[3, H, W]``.

        Raises:
            ImageError: It cannot be read.
        """
        if path in self._pixels:
            return self._pixels[path]
        pixels = torch.from_numpy(at_working_size(read_image(path))).permute(2, 0, 1).contiguous()
        self._keep(path, pixels)
        return pixels

    def thumbnail(self, path: Path) -> Tensor:
        """Return an image as a square, uint8 ``[3, s, s]``.

        Raises:
            ImageError: It cannot be read.
        """
        if path not in self._thumbnails:
            self.pixels(path)
        return self._thumbnails[path]

    def _keep(self, path: Path, pixels: Tensor) -> None:
        small = resize_square(pixels[None].float(), self.thumbnail_size)
        self._thumbnails[path] = small[0].clamp(0, 255).round().byte()
        if pixels.numel() <= self._free:
            self._free -= pixels.numel()
            self._pixels[path] = pixels
