"""Reading of image and mask files in any common format and mode, as 8-bit arrays or tensors."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image, ImageOps
from torch import Tensor

from sod.data.image_files import decoded, to_srgb

Array = npt.NDArray[np.uint8]

_PLAIN_GREY = {"1", "L", "LA", "P", "RGB", "RGBA"}


def read_image(path: Path) -> Array:
    """Read an image as sRGB, upright according to its EXIF orientation.

    Colours of an embedded ICC profile are converted. Transparent images are composited on white.
    Values of more than 8 bits are scaled (see :func:`narrow`), not clipped. Of an animation, the
    first frame is read.

    Args:
        path: The file, in a format of :data:`sod.data.image_files.ACCEPTED` and in any mode.

    Returns:
        Uint8 array ``[H, W, 3]``, 0..255.

    Raises:
        ImageError: As :func:`sod.data.image_files.decoded`.
    """
    with decoded(path, convert_profile=True) as image:
        return _rgb(image)


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
    wide = np.nan_to_num(values.astype(np.float64), nan=0.0, posinf=0.0, neginf=0.0).clip(min=0)
    top = float(wide.max(initial=0.0))
    if top <= 1 and np.issubdtype(values.dtype, np.floating):
        factor = 255.0
    elif top <= 255:
        factor = 1.0
    else:
        factor = 1 / 257 if top <= 65535 else 255 / top
    return np.rint(wide * factor).astype(np.uint8)


def _rgb(image: Image.Image) -> Array:
    if _is_wide(image.mode):
        return np.repeat(narrow(np.asarray(image))[..., None], 3, axis=2)
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        white = Image.new("RGBA", layer.size, "white")
        image = Image.alpha_composite(white, layer)
    return np.array(image.convert("RGB"))


def _is_wide(mode: str) -> bool:
    return mode in {"I", "F"} or mode.startswith("I;")
