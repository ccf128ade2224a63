"""Sheets of pictures: photo, map, overlay and cut-out side by side."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sod.prediction.cutouts import CutoutOptions, cut_out
from sod.prediction.look import render
from sod.prediction.opacity import Map, OpacityOptions

GAP, SQUARE = 8, 12
Pixels = NDArray[np.uint8]


def row_of(pixels: Pixels, saliency: Map, look: OpacityOptions) -> list[Image.Image]:
    """Return photo, map, overlay and cut-out of an image.

    Args:
        pixels: RGB, ``[H, W, 3]``.
        saliency: ``[H, W]`` in [0, 1].
        look: Threshold and sharpness of the cut-out.
    """
    cut = cut_out(pixels, saliency, look, CutoutOptions(despill=True))
    return [
        Image.fromarray(pixels),
        render(pixels, saliency, "map").convert("RGB"),
        render(pixels, saliency, "overlay"),
        chequered(cut),
    ]


def chequered(cutout: Image.Image) -> Image.Image:
    """Lay a cut-out on the grey squares that stand for transparency."""
    rows, columns = np.indices((cutout.height, cutout.width)) // SQUARE
    squares = np.where((rows + columns) % 2, 205, 255).astype(np.uint8)
    board = Image.fromarray(np.repeat(squares[..., None], 3, axis=2)).convert("RGBA")
    return Image.alpha_composite(board, cutout.convert("RGBA")).convert("RGB")


def sheet(rows: Sequence[Sequence[Image.Image]], size: tuple[int, int]) -> Image.Image:
    """Lay out pictures in rows, each in a cell of one size, as large as it fits.

    Args:
        rows: The pictures.
        size: Height and width of a cell in pixels.
    """
    height, width = size
    columns = max(map(len, rows))
    whole = (columns * (width + GAP) - GAP, len(rows) * (height + GAP) - GAP)
    page = Image.new("RGB", whole, "white")
    for y, row in enumerate(rows):
        for x, picture in enumerate(row):
            fitted = picture.convert("RGB")
            fitted.thumbnail((width, height), Image.Resampling.LANCZOS)
            left, top = (width - fitted.width) // 2, (height - fitted.height) // 2
            page.paste(fitted, (x * (width + GAP) + left, y * (height + GAP) + top))
    return page
