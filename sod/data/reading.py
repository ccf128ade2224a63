"""Read any image or mask file into a small set of array types, or say which file cannot be read."""

import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError

from sod.core.errors import ImageError

Array = npt.NDArray[np.uint8]

ORIENTATION = 0x0112
_SIDEWAYS = {5, 6, 7, 8}
_PNG_EXIF_KEYS = {"exif", "xmp", "XML:com.adobe.xmp", "Raw profile type exif"}
_PLAIN_GREY = {"1", "L", "LA", "P", "RGB", "RGBA"}
# Everything Pillow's decoders raise on damaged input; a programming error still surfaces as itself.
_UNREADABLE = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    IndexError,
    OverflowError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
)


def read_image(path: Path) -> Array:
    """Read an image as RGB, upright according to its EXIF orientation.

    Transparent pixels are laid on white, as a page would show them. Values wider than eight bits
    are scaled (see :func:`narrow`), never clipped. Of an animation the first frame is read.

    Args:
        path: the file, in any format and mode Pillow reads.

    Returns:
        uint8 array ``[H, W, 3]``, 0..255.

    Raises:
        ImageError: the file is missing, empty, damaged, not an image, or a decompression bomb.
    """
    with _decoded(path) as image:
        if _is_wide(image.mode):
            return np.repeat(narrow(np.asarray(image))[..., None], 3, axis=2)
        if image.has_transparency_data:
            layer = image.convert("RGBA")
            page = Image.new("RGBA", layer.size, "white")
            image = Image.alpha_composite(page, layer)
        return np.array(image.convert("RGB"))


def read_mask(path: Path) -> Array:
    """Read a mask as grey values (Pillow's ``L``) at its own size, upright according to EXIF.

    A 0/1 mask stays 0/1; colour and palette masks become their luma; an alpha channel is ignored;
    values wider than eight bits are scaled (see :func:`narrow`).

    Args:
        path: the file, in any format and mode Pillow reads.

    Returns:
        uint8 array ``[H, W]``, 0..255.

    Raises:
        ImageError: as :func:`read_image`.
    """
    with _decoded(path) as image:
        if _is_wide(image.mode):
            return narrow(np.asarray(image))
        plain = image if image.mode in _PLAIN_GREY else image.convert("RGB")
        return np.array(plain.convert("L"))


def image_size(path: Path) -> tuple[int, int]:
    """Return ``(height, width)`` as :func:`read_image` would give them, from the header alone.

    Raises:
        ImageError: as :func:`read_image`, except that damage behind the header goes unseen.
    """
    with _opened(path) as image:
        # Asking a PNG without EXIF for its EXIF would decode the pixels.
        has_exif = image.format != "PNG" or not _PNG_EXIF_KEYS.isdisjoint(image.info)
        sideways = has_exif and image.getexif().get(ORIENTATION) in _SIDEWAYS
        if sideways and image.format == "TIFF":
            # Some versions of Pillow turn a TIFF by themselves; only turned pixels tell its size.
            ImageOps.exif_transpose(image, in_place=True)
            sideways = False
        width, height = image.size
    return (width, height) if sideways else (height, width)


def grey_fraction(mask: Array) -> float:
    """Return the share of pixels that are neither 0 nor 255, in [0, 1].

    It is 0 for a clean mask, small for an anti-aliased one, and the object's own share for a mask
    stored as 0/1, which a threshold at half of 255 would silently empty.
    """
    if mask.size == 0:
        return 0.0
    return float(np.count_nonzero((mask != 0) & (mask != 255)) / mask.size)


def narrow(values: npt.NDArray[np.generic]) -> Array:
    """Bring 16-bit, 32-bit and float grey values to 0..255.

    The range follows from the largest value m: floats up to 1 are scaled by 255; m ≤ 255 is taken
    as eight-bit data in a wide container; m ≤ 65535 is divided by 257; anything larger by m / 255.
    Negative and non-finite values become 0.
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


def _is_wide(mode: str) -> bool:
    return mode in {"I", "F"} or mode.startswith("I;")


@contextmanager
def _decoded(path: Path) -> Iterator[Image.Image]:
    with _opened(path) as image:
        image.load()
        ImageOps.exif_transpose(image, in_place=True)
        yield image


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    try:
        with Image.open(path) as image:
            yield image
    except _UNREADABLE as error:
        raise ImageError(f"{path}: {_reason(path, error)}") from error


def _reason(path: Path, error: Exception) -> str:
    if not path.exists():
        return "no such file"
    if path.is_dir():
        return "a folder, not an image file"
    if path.is_file() and path.stat().st_size == 0:
        return "the file is empty (0 bytes)"
    if isinstance(error, UnidentifiedImageError):
        return "not an image, or in a format Pillow cannot read"
    if isinstance(error, Image.DecompressionBombError):
        return "refused as a decompression bomb (too many pixels)"
    return "cannot be decoded: " + " ".join(str(error).split())
