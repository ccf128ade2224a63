"""Random masking of image regions: strokes, rectangles, blocks, or a folder of mask images."""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from sod.core.errors import SodError
from sod.core.seed import check_seed, run_seed
from sod.data.reading import read_mask
from sod.data.samples import discover_images

Array = npt.NDArray[np.uint8]
Kind = Literal["none", "strokes", "rectangles", "blocks", "folder"]
Amount = Literal["low", "medium", "heavy"]

SHARES: dict[Amount, tuple[float, float]] = {
    "low": (0.1, 0.25),
    "medium": (0.25, 0.45),
    "heavy": (0.45, 0.7),
}
"""Range of the masked share of an image for each amount."""

CELL = 32
"""Side of a block in pixels."""

MAX_SHAPES = 200
"""Largest number of strokes or rectangles drawn for one image."""


@dataclass(frozen=True)
class MaskingConfig:
    """Random masking of training images.

    Args:
        kind: ``strokes`` (irregular thick lines), ``rectangles``, ``blocks`` (cells of a regular
            grid), ``folder`` (mask images) or ``none``.
        amount: ``low`` masks 10 to 25 % of an image, ``medium`` 25 to 45 %, ``heavy`` 45 to 70 %.
        folder: Folder of mask images for the kind ``folder``; their non-zero pixels are masked.
        seed: Seed of the masked regions, which also depend on the epoch and the image's name.
            Null: the seed of the run (seed_everything).
    """

    kind: Kind = "strokes"
    amount: Amount = "heavy"
    folder: str | None = None
    seed: int | None = None

    def __post_init__(self) -> None:
        """Raise a SodError that names the first invalid field."""
        for field, value, known in (
            ("kind", self.kind, get_args(Kind)),
            ("amount", self.amount, get_args(Amount)),
        ):
            if value not in known:
                raise SodError(f"masking.{field}: '{value}' is none of {', '.join(known)}")
        if (self.kind == "folder") != (self.folder is not None):
            raise SodError("masking.folder: required with masking.kind folder, and only then")
        if self.seed is not None:
            check_seed(self.seed, "masking.seed")


class Masker:
    """Generator of masked regions.

    The region of an image depends on its name, the epoch and the seed only: not on workers,
    devices or the other images of the batch.

    Args:
        config: The kind and amount of masking.

    Raises:
        SodError: The folder of masks holds no image.
    """

    def __init__(self, config: MaskingConfig) -> None:
        self.config = config
        self.seed = run_seed() if config.seed is None else config.seed
        self._files: list[Path] = []
        if config.folder is not None:
            folder = Path(config.folder)
            self._files = discover_images(folder) if folder.is_dir() else []
            if not self._files:
                raise SodError(f"masking.folder: {config.folder} holds no mask images")

    def draw(self, names: Sequence[str], epoch: int, size: tuple[int, int]) -> Tensor:
        """Draw the masked regions of a batch of images.

        Args:
            names: The names of the images.
            epoch: The current epoch.
            size: Height and width of the images in pixels.

        Returns:
            Bool ``[B, 1, H, W]``, True where an image is masked.

        Raises:
            ImageError: A mask image of the folder cannot be read.
        """
        masks = np.stack([self._draw_one(name, epoch, size) for name in names])
        return torch.from_numpy(masks)[:, None] > 0

    def _draw_one(self, name: str, epoch: int, size: tuple[int, int]) -> Array:
        rng = np.random.default_rng([self.seed, epoch, zlib.crc32(name.encode())])
        if self.config.kind == "folder":
            mask = read_mask(self._files[int(rng.integers(len(self._files)))])
            resized = cv2.resize(mask, size[::-1], interpolation=cv2.INTER_NEAREST_EXACT)
            return np.asarray(resized, np.uint8)
        if self.config.kind == "none":
            return np.zeros(size, np.uint8)
        share = rng.uniform(*SHARES[self.config.amount])
        if self.config.kind == "blocks":
            return _blocks(rng, size, share)
        return _shapes(rng, size, share, self.config.kind == "strokes")


@dataclass(frozen=True)
class PatchRegions:
    """Draws the masked region of a sample, for :class:`sod.data.dataset.SaliencyDataset`.

    Args:
        masker: The generator of the regions.
        patch_size: Side of a patch in pixels; incomplete ones on the right and below are left out.
    """

    masker: Masker
    patch_size: int

    def __call__(self, name: str, epoch: int, size: tuple[int, int]) -> Tensor:
        """Return the region of an image of some size, bool ``[1, h, w]``.

        Raises:
            ImageError: A mask image of the folder cannot be read.
        """
        height, width = (side // self.patch_size * self.patch_size for side in size)
        return self.masker.draw([name], epoch, (height, width))[0]


def mask_images(images: Tensor, masked: Tensor, colour: Tensor) -> Tensor:
    """Fill the masked regions of images with one colour.

    PEEKABOO's published code sets normalised images to 0 there, which is the mean colour.

    Args:
        images: Float ``[B, 3, H, W]``, not normalised.
        masked: Bool ``[B, 1, H, W]``, True where an image is masked.
        colour: Float ``[3]``, the backbone's mean colour.

    Returns:
        Float ``[B, 3, H, W]``.
    """
    return torch.where(masked, colour.to(images).view(1, 3, 1, 1), images)


def _blocks(rng: np.random.Generator, size: tuple[int, int], share: float) -> Array:
    rows, columns = (-(-side // CELL) for side in size)
    chosen = np.zeros(rows * columns, np.uint8)
    count = max(1, round(share * len(chosen)))
    chosen[rng.permutation(len(chosen))[:count]] = 1
    cells = chosen.reshape(rows, columns).repeat(CELL, 0).repeat(CELL, 1)
    return np.asarray(cells[: size[0], : size[1]], np.uint8)


def _shapes(rng: np.random.Generator, size: tuple[int, int], share: float, lines: bool) -> Array:
    """Add shapes until the share is masked, except those that exceed it by more than 0.08."""
    mask = np.zeros(size, np.uint8)
    for _ in range(MAX_SHAPES):
        if cv2.countNonZero(mask) >= share * mask.size:
            break
        drawn = mask.copy()
        (_stroke if lines else _rectangle)(rng, drawn)
        if cv2.countNonZero(drawn) <= (share + 0.08) * mask.size:
            mask = drawn
    return mask


def _stroke(rng: np.random.Generator, mask: Array) -> None:
    """Draw a polyline of random thickness from a random point."""
    height, width = mask.shape
    side = min(height, width)
    thickness = int(max(2, side * rng.uniform(0.04, 0.12)))
    angle = rng.uniform(0, 2 * np.pi)
    start = rng.uniform(0, 1, 2) * (width, height)
    for _ in range(int(rng.integers(2, 7))):
        angle += rng.uniform(-1, 1)
        step = side * rng.uniform(0.1, 0.3) * np.array([np.cos(angle), np.sin(angle)])
        end = np.clip(start + step, 0, (width - 1, height - 1))
        ends = [(int(x), int(y)) for x, y in (start, end)]
        cv2.line(mask, ends[0], ends[1], 1, thickness)
        start = end


def _rectangle(rng: np.random.Generator, mask: Array) -> None:
    height, width = mask.shape
    tall, wide = (max(1, int(side * rng.uniform(0.1, 0.4))) for side in (height, width))
    top, left = rng.integers(0, height - tall + 1), rng.integers(0, width - wide + 1)
    mask[top : top + tall, left : left + wide] = 1
