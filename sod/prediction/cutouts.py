"""Cut-outs: clean edges, a background, and only the part of the image that holds the object."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageColor, ImageOps

from sod.core.errors import SodError
from sod.data.reading import read_image
from sod.prediction.opacity import Map, OpacityOptions, opacity

Pixels = NDArray[np.uint8]
Box = tuple[int, int, int, int]


@dataclass(frozen=True)
class CutoutOptions:
    """How a cut-out is made.

    Args:
        despill: Remove the colour of the background from half-transparent pixels.
        crop: Keep only the box of the object.
        margin: Free border around that box, as a share of its longer side.
        background: A colour (``white``, ``#20a0ff``) or an image file to lay the object on; None:
            the cut-out is transparent.
    """

    despill: bool = False
    crop: bool = False
    margin: float = 0.05
    background: str | None = None

    def __post_init__(self) -> None:
        """Reject a margin below 0, and a background that is neither a colour nor an image."""
        if self.margin < 0:
            raise SodError(f"--margin {self.margin}: is below 0.")
        if self.background is not None:
            background_pixels(self.background, (1, 1))


def cut_out(image: Pixels, saliency: Map, look: OpacityOptions, cut: CutoutOptions) -> Image.Image:
    """Cut the object out of an image.

    Args:
        image: RGB, ``[H, W, 3]``.
        saliency: ``[H, W]`` in [0, 1].
        look: How the map becomes an opacity.
        cut: Edges, crop and background.

    Returns:
        RGBA, or RGB where there is a background.

    Raises:
        SodError: The background's file cannot be read.
    """
    alpha = opacity(saliency, look)
    colours = foreground_colours(image, alpha) if cut.despill else image
    box = object_box(alpha > look.threshold, cut.margin) if cut.crop else None
    if box is not None:
        left, top, right, bottom = box
        alpha, colours = alpha[top:bottom, left:right], colours[top:bottom, left:right]
    behind = None if cut.background is None else background_pixels(cut.background, alpha.shape)
    return Image.fromarray(composed(colours, alpha, behind))


def composed(colours: Pixels, alpha: Map, behind: Pixels | None) -> Pixels:
    """Return a cut-out: RGBA, or RGB on a background.

    Args:
        colours: RGB, ``[H, W, 3]``.
        alpha: Opacity, ``[H, W]`` in [0, 1].
        behind: The background, ``[H, W, 3]``, or None.
    """
    if behind is None:
        return np.dstack([colours, np.rint(alpha * 255).astype(np.uint8)])
    mixed = alpha[..., None] * colours + (1 - alpha[..., None]) * behind
    return np.asarray(np.rint(mixed), np.uint8)


def object_box(mask: NDArray[np.bool_], margin: float) -> Box | None:
    """Return ``left, top, right, bottom`` of the foreground with a margin; None without one.

    Args:
        mask: ``[H, W]``.
        margin: As a share of the longer side of the box, cut off at the image's border.
    """
    left, top, width, height = cv2.boundingRect(mask.astype(np.uint8))
    if not width:
        return None
    return with_margin((left, top, left + width, top + height), margin, mask.shape)


def with_margin(box: Box, margin: float, size: tuple[int, ...]) -> Box:
    """Return ``left, top, right, bottom`` with a margin, as :func:`object_box` does.

    Args:
        box: The box without it.
        margin: As a share of its longer side, cut off at the image's border.
        size: Height and width of the image.
    """
    left, top, right, bottom = box
    free = round(margin * max(right - left, bottom - top))
    right, bottom = min(right + free, size[1]), min(bottom + free, size[0])
    return max(left - free, 0), max(top - free, 0), right, bottom


def foreground_colours(image: Pixels, alpha: Map) -> Pixels:
    """Estimate the object's own colour where the background shines through.

    Blur fusion (Forte 2021, arXiv 2006.14970): F̂ and B are means of the image near each pixel,
    weighted by α and 1 - α; F = F̂ + α (I - α F̂ - (1 - α) B). It runs twice, first over a wide and
    then over a narrow neighbourhood.

    Args:
        image: RGB, ``[H, W, 3]``.
        alpha: ``[H, W]`` in [0, 1].
    """
    colours = image.astype(np.float32)
    weight = alpha[..., None]
    foreground, background = colours, colours
    for radius in (90, 6):
        size = (min(radius, image.shape[1]), min(radius, image.shape[0]))
        inside, outside = _mean(foreground, weight, size), _mean(background, 1 - weight, size)
        mixed = weight * inside + (1 - weight) * outside
        foreground, background = np.clip(inside + weight * (colours - mixed), 0, 255), outside
    kept = np.where(weight < 1, foreground, colours)
    return np.asarray(np.rint(kept), dtype=np.uint8)


def background_pixels(background: str, size: tuple[int, ...]) -> Pixels:
    """Return a background of a size: a colour, or an image that covers it, its centre kept.

    Args:
        background: The name or ``#rrggbb`` code of a colour, or an image file.
        size: Height and width.

    Raises:
        SodError: It is neither.
    """
    height, width = size
    if is_file(background):
        return np.asarray(covering(background, (height, width)))
    try:
        colour = ImageColor.getcolor(background, "RGB")
    except ValueError as error:
        raise SodError(
            f"--background {background}: is neither an image file nor a colour such as white or "
            "#20a0ff."
        ) from error
    return np.full((height, width, 3), colour, dtype=np.uint8)


def is_file(background: str) -> bool:
    """Return whether a background is an image file, and no colour."""
    return Path(background).is_file()


def covering(background: str, size: tuple[int, int]) -> Image.Image:
    """Return an image file that is resized to cover a height and width, its centre kept.

    Raises:
        SodError: The file cannot be read.
    """
    return ImageOps.fit(Image.fromarray(_read(background)), (size[1], size[0]))


@lru_cache(maxsize=1)
def _read(path: str) -> Pixels:
    return read_image(Path(path))


def _mean(values: NDArray[np.float32], weight: Map, size: tuple[int, int]) -> NDArray[np.float32]:
    """Return the weighted mean of colours in a box around each pixel."""
    total = cv2.blur(values * weight, size)
    return np.asarray(total / (cv2.blur(weight, size)[..., None] + 1e-5), dtype=np.float32)
