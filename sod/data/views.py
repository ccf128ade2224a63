"""Augmented views of images: a fixed number of each, and those that are kept in memory."""

import zlib
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from sod.data.features import FeaturesConfig
from sod.data.samples import Sample

Array = npt.NDArray[np.uint8]
Seed = tuple[int, int, int]


class Views(NamedTuple):
    """A fixed number of augmented views of each image.

    Args:
        number: How many.
        seed: Decides them, together with the image's name.
    """

    number: int
    seed: int

    def of(self, name: str, epoch: int) -> Seed:
        """Return the seed of the view that an epoch uses, in the form of ``Transform``."""
        return self.seed, epoch % self.number, zlib.crc32(name.encode())


class View(NamedTuple):
    """A transformed image.

    Args:
        sample: The sample that it shows.
        image: Uint8 ``[H, W, 3]``.
        mask: Uint8 ``[h, w]``, 0..255, or None.
    """

    sample: Sample
    image: Array
    mask: Array | None


class KeptViews:
    """Fixed views of one size, which are read and augmented once.

    Where an image has got another mask, as in each generation, its view is read again, and the one
    before is forgotten.

    Args:
        limit: Gibibytes that are kept; what comes later is read each time.
    """

    def __init__(self, limit: float) -> None:
        self._free = int(limit * 2**30)
        self._kept: dict[tuple[Path, bool, Seed], View] = {}

    def recall(self, sample: Sample, masked: bool, seed: Seed, read: Callable[[], View]) -> View:
        """Return the view of a sample; its arrays must not be changed.

        Args:
            sample: The sample.
            masked: Whether its mask is read too.
            seed: Decides the view.
            read: Reads it, if it is not kept.

        Raises:
            ImageError: As ``read``.
        """
        key = (sample.image, masked, seed)
        kept = self._kept.get(key)
        if kept is not None and kept.sample == sample:
            return kept
        view = read()
        size = _size(view) - (0 if kept is None else _size(kept))
        if size <= self._free:
            self._free -= size
            self._kept[key] = view
        return view


def _size(view: View) -> int:
    """Return the bytes of a view."""
    return view.image.nbytes + (0 if view.mask is None else view.mask.nbytes)


def kept_views(features: FeaturesConfig) -> KeptViews | None:
    """Return a memory for the views whose features are in memory too; None for others."""
    in_memory = features.cache == "memory" and features.views is not None
    return KeptViews(features.limit) if in_memory else None
