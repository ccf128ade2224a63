"""The files of large photos: pictures written some rows at a time, boxes found in the small map."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sod.data.png_rows import write_png_rows
from sod.prediction.boxes import Row, enlarged, find_objects
from sod.prediction.cutouts import (
    Box,
    background_pixels,
    composed,
    covering,
    foreground_colours,
    is_file,
    with_margin,
)
from sod.prediction.large import LargeMap, LargePhoto, strips
from sod.prediction.look import LOOK, Look, render
from sod.prediction.opacity import Map, OpacityOptions, opacity, without_others
from sod.prediction.outputs import Output

Pixels = NDArray[np.uint8]
Rows = Callable[[int, int], Pixels]
CHANNELS: dict[Output, int] = {"map": 1, "mask": 1, "overlay": 3}
HALO = 96
"""Rows above and below that the colours of ``--despill`` depend on, and more."""


class LargeResults:
    """The results of one large photo, as :func:`sod.prediction.look.render` makes them.

    ``keep: largest`` is decided in the small map: what is nearer to another object is removed from
    it, from masks too. A photo is decoded when pixels are needed first.

    Args:
        photo: Decodes the photo.
        saliency: Its map at the size at which it was predicted, ``[h, w]`` in [0, 1].
        size: Height and width of the results.
        look: Threshold, sharpness, crop, background.

    Raises:
        ImageError: By each method: the file cannot be read any more.
    """

    def __init__(
        self,
        photo: Callable[[], LargePhoto],
        saliency: Tensor,
        size: tuple[int, int],
        look: Look = LOOK,
    ) -> None:
        small = np.asarray(saliency.float().cpu().numpy(), np.float32)
        options = look.opacity
        kept = without_others(small, options) if options.keep == "largest" else small
        self._whole, self._small = LargeMap(saliency, size), kept
        self._map = LargeMap(torch.from_numpy(kept), size)
        self._decode = photo
        self._photo: LargePhoto | None = None
        self.size, self.look = size, look
        self._options = OpacityOptions(options.threshold, "all", options.sharpen)

    def objects(self) -> list[Row]:
        """Return the objects of the small map (:func:`sod.prediction.boxes.find_objects`)."""
        found = find_objects(self._small, self._small > self._options.threshold)
        return enlarged(found, (self._small.shape[0], self._small.shape[1]), self.size)

    def write(self, path: Path, kind: Output) -> None:
        """Write one picture.

        Raises:
            SodError: It cannot be written.
        """
        if kind == "cutout":
            self._write_cutout(path)
            return
        if kind == "overlay":
            self._pixels(0, 1)  # an unreadable photo is no failure of the file that is written
        maps = self._whole if kind == "map" else self._map
        look = Look(self._options, self.look.cutout)

        def rows() -> Iterator[Pixels]:
            for top, bottom in strips(self.size):
                none = np.empty((bottom - top, 0, 3), np.uint8)
                pixels = self._pixels(top, bottom) if kind == "overlay" else none
                yield np.asarray(render(pixels, maps.rows(top, bottom), kind, look))

        write_png_rows(path, self.size, CHANNELS[kind], rows())

    def _write_cutout(self, path: Path) -> None:
        self._pixels(0, 1)
        box = self._box() if self.look.cutout.crop else None
        left, top, right, bottom = box or (0, 0, self.size[1], self.size[0])
        behind = self._background((bottom - top, right - left))

        def rows() -> Iterator[Pixels]:
            for start, stop in strips((bottom - top, self.size[1])):
                colours = self._colours(top + start, top + stop)[:, left:right]
                alpha = self._alpha(top + start, top + stop)[:, left:right]
                yield composed(colours, alpha, behind(start, stop) if behind else None)

        channels = 3 if behind else 4
        write_png_rows(path, (bottom - top, right - left), channels, rows())

    def _pixels(self, top: int, bottom: int) -> Pixels:
        if self._photo is None:
            self._photo = self._decode()
        return self._photo.rows(top, bottom)

    def _alpha(self, top: int, bottom: int) -> Map:
        return opacity(self._map.rows(top, bottom), self._options)

    def _colours(self, top: int, bottom: int) -> Pixels:
        """Return the colours of rows of the cut-out, ``[n, W, 3]``."""
        if not self.look.cutout.despill:
            return self._pixels(top, bottom)
        first, last = max(top - HALO, 0), min(bottom + HALO, self.size[0])
        colours = foreground_colours(self._pixels(first, last), self._alpha(first, last))
        return colours[top - first : bottom - first]

    def _box(self) -> Box | None:
        """Return the box of the object with its margin (:func:`object_box`)."""
        rows, columns = np.zeros(self.size[0], np.bool_), np.zeros(self.size[1], np.bool_)
        for top, bottom in strips(self.size):
            mask = self._alpha(top, bottom) > self._options.threshold
            rows[top:bottom] = mask.any(1)
            columns |= mask.any(0)
        y, x = np.flatnonzero(rows), np.flatnonzero(columns)
        if not len(y):
            return None
        box = (int(x[0]), int(y[0]), int(x[-1]) + 1, int(y[-1]) + 1)
        return with_margin(box, self.look.cutout.margin, self.size)

    def _background(self, size: tuple[int, int]) -> Rows | None:
        """Return the rows of the background of a cut-out of a size."""
        name = self.look.cutout.background
        if name is None:
            return None
        if not is_file(name):
            return lambda top, bottom: background_pixels(name, (bottom - top, size[1]))
        image = covering(name, size)
        return lambda top, bottom: np.asarray(image.crop((0, top, size[1], bottom)))
