"""Reading of image and mask files in any common format and mode, as 8-bit arrays or tensors."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image, ImageOps
from torch import Tensor

from sod.data.image_files import Size, decoded, to_srgb

Array = npt.NDArray[np.uint8]

ROWS = 512
"""Rows that are converted at once, to bound the memory of large images."""

_PLAIN_GREY = {"1", "L", "LA", "P", "RGB", "RGBA"}


def read_image(path: Path, enough: Size | None = None) -> Array:
    """Read an image as sRGB, upright according to its EXIF orientation.

    Colours of an embedded ICC profile are converted. Transparent images are composited on white.
    Values of more than 8 bits are scaled (see :func:`narrow`), not clipped. Of an animation, the
    first frame is read.

    Args:
        path: The file, in a format of :data:`sod.data.image_files.ACCEPTED` and in any mode.
        enough: The size at which the image is used: a JPEG file is decoded no larger than needed
            (:func:`sod.data.image_files.decoded`).

    Returns:
        Uint8 array ``[H, W, 3]``, 0..255.

    Raises:
        ImageError: As :func:`sod.data.image_files.decoded`.
    """
    with decoded(path, convert_profile=True, enough=enough) as image:
        return _rgb(image)


def open_upright(path: Path, enough: Size | None = None) -> Image.Image:
    """Decode an image as :func:`read_image` does, in the mode of its file.

    Raises:
        ImageError: As :func:`read_image`.
    """
    with decoded(path, convert_profile=True, enough=enough) as image:
        return image


def has_wide_values(image: Image.Image) -> bool:
    """Return whether an image has grey values of more than 8 bits, which are scaled together."""
    return _is_wide(image.mode)


def rgb_rows(image: Image.Image, top: int, bottom: int) -> Array:
    """Return rows of an upright image without wide values, as :func:`read_image` has them.

    Args:
        image: What :func:`open_upright` returned.
        top: The first row.
        bottom: The row after the last one.

    Returns:
        Uint8 array ``[bottom - top, W, 3]``.
    """
    part = image.crop((0, top, image.width, bottom))
    if part.has_transparency_data:
        layer = part.convert("RGBA")
        part = Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer)
    return np.asarray(part if part.mode == "RGB" else part.convert("RGB"))


def rgb_pixels(image: Image.Image) -> Array:
    """Return the pixels of an opened image, upright and in sRGB, as :func:`read_image` does.

    Args:
        image: An image in any mode; it is not changed.

    Returns:
        Uint8 array ``[H, W, 3]``, 0..255.
    """
    return _rgb(to_srgb(ImageOps.exif_transpose(image)))


def to_tensor(image: Array) -> Tensor:
    """Convert an image, uint8 ``[H, W, 3]``, to float32 ``[3, H, W]`` in [0, 1]."""
    planes = np.ascontiguousarray(image.transpose(2, 0, 1))
    return torch.from_numpy(planes).to(torch.float32).div_(255)


def read_image_tensor(path: Path) -> Tensor:
    """Read an image as float32 RGB ``[3, H, W]`` in [0, 1].

    Raises:
        ImageError: As :func:`read_image`.
    """
    return to_tensor(read_image(path))


def read_mask(path: Path) -> Array:
    """Read a mask as grey values (Pillow's ``L``), upright according to its EXIF orientation.

    Masks of 0 and 1 are not scaled; colour and palette masks are converted to luma; an alpha
    channel is ignored; values of more than 8 bits are scaled (see :func:`narrow`).

    Args:
        path: The file, in a format of :data:`sod.data.image_files.ACCEPTED` and in any mode.

    Returns:
        Uint8 array ``[H, W]``, 0..255, at the mask's own size.

    Raises:
        ImageError: As :func:`read_image`.
    """
    with decoded(path) as image:
        if _is_wide(image.mode):
            return narrow(np.asarray(image))
        plain = image if image.mode in _PLAIN_GREY else image.convert("RGB")
        return np.array(plain.convert("L"))


def grey_fraction(mask: Array) -> float:
    """Return the share of pixels that are neither 0 nor 255, in [0, 1].

    It is 0 for a binary mask, small for an anti-aliased one, and the foreground's share for a mask
    stored as 0 and 1, which a threshold at half of 255 would empty.
    """
    if mask.size == 0:
        return 0.0
    return float(np.count_nonzero((mask != 0) & (mask != 255)) / mask.size)


def narrow(values: npt.NDArray[np.generic]) -> Array:
    """Convert 16-bit, 32-bit and float grey values to uint8, 0..255.

    The scale depends on the largest value m. Floats with m ≤ 1 are multiplied by 255. Otherwise
    values with m ≤ 255 are kept, as 8-bit data in a wider type; with m ≤ 65535 they are divided by
    257, else by m / 255. Negative and non-finite values become 0.
    """
    strips = [values[row : row + ROWS] for row in range(0, len(values), ROWS)]
    top = max((float(_positive(strip).max(initial=0.0)) for strip in strips), default=0.0)
    if top <= 1 and np.issubdtype(values.dtype, np.floating):
        factor = 255.0
    elif top <= 255:
        factor = 1.0
    else:
        factor = 1 / 257 if top <= 65535 else 255 / top
    levels = np.empty(values.shape, np.uint8)
    for number, strip in enumerate(strips):
        levels[number * ROWS : (number + 1) * ROWS] = np.rint(_positive(strip) * factor)
    return levels


def _positive(values: npt.NDArray[np.generic]) -> npt.NDArray[np.float64]:
    """Return values as float64; negative and non-finite ones become 0."""
    return np.nan_to_num(values.astype(np.float64), nan=0.0, posinf=0.0, neginf=0.0).clip(min=0)


def _rgb(image: Image.Image) -> Array:
    if _is_wide(image.mode):
        return np.repeat(narrow(np.asarray(image))[..., None], 3, axis=2)
    pixels = np.empty((image.height, image.width, 3), np.uint8)
    for top in range(0, image.height, ROWS):
        bottom = min(top + ROWS, image.height)
        pixels[top:bottom] = rgb_rows(image, top, bottom)
    return pixels


def _is_wide(mode: str) -> bool:
    return mode in {"I", "F"} or mode.startswith("I;")
