"""Writing of pictures as PNG files, each completely or not at all."""

from functools import cache
from pathlib import Path

from PIL import Image, ImageCms

from sod.core.files import atomic_file


def write_picture(path: Path, image: Image.Image) -> None:
    """Write a picture as PNG; colours are marked as sRGB, to which all images are converted.

    Args:
        path: The file; missing parent folders are created.
        image: The picture, grey, RGB or RGBA.

    Raises:
        SodError: The file cannot be written; a previous one is untouched.
    """
    profile = _srgb() if image.mode in {"RGB", "RGBA"} else None
    with atomic_file(path) as temporary:
        image.save(temporary, "png", icc_profile=profile)


@cache
def _srgb() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
