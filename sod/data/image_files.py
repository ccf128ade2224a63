"""Image files: which are opened, and how they are decoded to upright pixels in sRGB.

Files may come from strangers. Only regular files are opened, so that a pipe cannot block, and only
in the listed formats: for others Pillow would start further programs (Ghostscript for EPS).
"""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from io import BytesIO
from pathlib import Path

from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

from sod.core.errors import ImageError

ACCEPTED = ("JPEG", "PNG", "WEBP", "BMP", "DIB", "TIFF", "GIF", "PPM", "AVIF", "HEIF")
"""Pillow's names of the formats that are opened; PPM stands for all of PNM. HEIF needs the package
pillow-heif, AVIF a Pillow that was built with it."""

_COMMON = {".jpg", ".jpeg", ".jfif", ".png", ".bmp", ".webp", ".tif", ".tiff", ".gif"}
_PNM = {".pnm", ".pbm", ".pgm", ".ppm"}
_EXTRA = {".heic": "pillow-heif", ".heif": "pillow-heif", ".avif": "pillow>=11.3"}
SUFFIXES = frozenset(_COMMON | _PNM | _EXTRA.keys())
"""Suffixes, in lower case, of the files that count as images in a folder."""

Size = Callable[[int, int], tuple[int, int]]
"""From the height and width of an image file to those at which it is used."""

# Between Pillow's two limits images are read; above the second one they are refused.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)

_SPACES = {"RGB": "RGB", "L": "GRAY", "CMYK": "CMYK"}


@contextmanager
def decoded(
    path: Path, convert_profile: bool = False, enough: Size | None = None
) -> Iterator[Image.Image]:
    """Open an image file and decode it, upright according to its EXIF orientation.

    Args:
        path: The file.
        convert_profile: Convert the colours of an embedded ICC profile to sRGB.
        enough: The size at which the image is used. A JPEG file is decoded at 1/2, 1/4 or 1/8 of
            its size where the result is at least as large, which saves memory and time; files of
            other formats are decoded whole.

    Yields:
        The image; the caller's errors in the ``with`` block count as those of the file.

    Raises:
        ImageError: The file is missing, empty, not regular, damaged, in another format or a
            decompression bomb, or there is not enough memory for it.
    """
    try:
        if not path.is_file():
            raise ImageError(f"{path}: {_kind(path)}")
        with Image.open(path, formats=_formats()) as image:
            if enough is not None:
                height, width = enough(image.height, image.width)
                image.draft(None, (width, height))
            image.load()
            ImageOps.exif_transpose(image, in_place=True)
            yield to_srgb(image) if convert_profile else image
    except ImageError:
        raise
    except Exception as error:  # Pillow's decoders raise many kinds on damaged files
        raise ImageError(f"{path}: {_reason(path, error)}") from error


def stated_size(path: Path) -> tuple[int, int]:
    """Return the height and width that an image file states, without decoding it.

    The EXIF orientation is not applied. An unusable file has the size 0, 0.
    """
    try:
        with Image.open(path, formats=_formats()) as image:
            return image.height, image.width
    except (OSError, ValueError, Image.DecompressionBombError):
        return 0, 0


@cache
def _formats() -> tuple[str, ...]:
    """Return the accepted formats that are installed."""
    try:
        import pillow_heif  # optional, and slow to import

        pillow_heif.register_heif_opener()
    except ImportError:
        pass
    Image.init()
    return tuple(name for name in ACCEPTED if name in Image.OPEN)


def to_srgb(image: Image.Image) -> Image.Image:
    """Convert an image from its embedded profile; a damaged or unsuitable profile is ignored."""
    data = image.info.get("icc_profile")
    if not data:
        return image
    alpha = image.getchannel("A") if image.mode == "RGBA" else None
    colours = image.convert("RGB") if image.mode in {"RGBA", "P"} else image
    try:
        profile = ImageCms.ImageCmsProfile(BytesIO(data))
        space = profile.profile.xcolor_space.strip()
        if space != _SPACES.get(colours.mode) or "sRGB" in ImageCms.getProfileDescription(profile):
            return image
        srgb = ImageCms.createProfile("sRGB")
        converted = ImageCms.profileToProfile(colours, profile, srgb, outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ValueError):
        return image
    assert converted is not None  # noqa: S101 - it is None only if converted in place
    if alpha is not None:
        converted.putalpha(alpha)
    return converted


def _reason(path: Path, error: Exception) -> str:
    if isinstance(error, MemoryError):
        return "too large for the memory of this machine"
    if path.is_file() and path.stat().st_size == 0:
        return "the file is empty (0 bytes)"
    if isinstance(error, UnidentifiedImageError):
        package = _EXTRA.get(path.suffix.lower())
        if package:
            return f"damaged, or its format needs {package}: pip install 'sod[heic]'"
        return "not an image, or in a format that is not opened (see SECURITY.md)"
    if isinstance(error, Image.DecompressionBombError):
        return "refused as a decompression bomb (too many pixels)"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return "cannot be decoded: " + " ".join(str(error).split())


def _kind(path: Path) -> str:
    """Return what is at a path that is no regular file."""
    if not path.exists():
        return "no such file"
    if path.is_dir():
        return "a folder, not an image file"
    return "not a regular file but a pipe, a socket or a device"
