"""Large photos and their maps at the size of the results, some rows at a time."""

from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sod.data import working_size
from sod.data.reading import has_wide_values, open_upright, read_image, rgb_rows
from sod.data.working_size import limited_size, shrunk
from sod.nn.resize import resize
from sod.prediction.opacity import Map

Pixels = NDArray[np.uint8]

AT_ONCE = 2**20
"""Pixels that are processed together."""


def is_large(size: tuple[int, int]) -> bool:
    """Return whether results of a height and width are made some rows at a time."""
    return size[0] * size[1] > 2 * working_size.WORKING_PIXELS


def strips(size: tuple[int, int]) -> list[tuple[int, int]]:
    """Return the first row of each strip and the row after its last one."""
    rows = max(AT_ONCE // size[1], 1)
    return [(top, min(top + rows, size[0])) for top in range(0, size[0], rows)]


class LargePhoto:
    """The pixels of a photo, decoded once and converted some rows at a time.

    Args:
        path: The file.
        size: Height and width of the results.
        max_side: The limit that they were made for, or None.

    Raises:
        ImageError: The file cannot be read any more.
    """

    def __init__(self, path: Path, size: tuple[int, int], max_side: int | None = None) -> None:
        enough = partial(limited_size, max_side=max_side)
        self._image = open_upright(path, enough)
        self._pixels: Pixels | None = None
        if (self._image.height, self._image.width) != size or has_wide_values(self._image):
            del self._image  # it is decoded again: two copies would not fit
            self._pixels = shrunk(read_image(path, enough), size)

    def rows(self, top: int, bottom: int) -> Pixels:
        """Return rows as RGB, ``[bottom - top, W, 3]``."""
        if self._pixels is not None:
            return self._pixels[top:bottom]
        return rgb_rows(self._image, top, bottom)


class LargeMap:
    """A map that is resized bilinearly, some rows at a time.

    The values are those of :func:`sod.nn.resize.resize` for the whole map, whatever the strips. As
    there, the source of a row is a float32 number, and the sum of two rows is rounded once.

    Args:
        saliency: ``[h, w]`` in [0, 1].
        size: Height and width of the results.
    """

    def __init__(self, saliency: Tensor, size: tuple[int, int]) -> None:
        self.small = saliency.detach().float().cpu()
        self.size = size
        height = len(self.small)
        scale = float(np.float32(height) / np.float32(size[0]))
        source = np.maximum(scale * (np.arange(size[0]) + 0.5) - 0.5, 0).astype(np.float32)
        self._first = np.minimum(source.astype(np.int64), height - 1)
        self._second = np.minimum(self._first + 1, height - 1)
        self._weight = torch.from_numpy(source - self._first.astype(np.float32))[:, None]

    def rows(self, top: int, bottom: int) -> Map:
        """Return rows of the map, ``[bottom - top, W]`` in [0, 1]."""
        first, second = self._first[top:bottom], self._second[top:bottom]
        start, stop = int(first[0]), int(second[-1]) + 1
        wide = resize(self.small[None, None, start:stop], (stop - start, self.size[1]))[0, 0]
        weight = self._weight[top:bottom]
        lower = wide[torch.from_numpy(second - start)] * weight
        upper = wide[torch.from_numpy(first - start)].double() * (1 - weight).double()
        return np.asarray((upper + lower.double()).float().clamp(0, 1).numpy(), np.float32)
