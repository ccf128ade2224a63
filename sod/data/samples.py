"""A sample is a name, an image and perhaps a mask, paired by name and never by position."""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from sod.core.errors import SodError

SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jfif", ".png", ".bmp", ".webp", ".tif", ".tiff", ".gif", ".pgm", ".ppm"}
)
_JUNK = frozenset({"__macosx", "thumbs.db", "desktop.ini"})


# Not a frozen dataclass: Lightning refuses to move a batch that holds one to a device.
class Sample(NamedTuple):
    """One image and, where there is one, its mask.

    Args:
        name: the file's stem; in a nested folder the relative path without its suffix, with ``/``.
        image: the image file.
        mask: the mask file, or None.
        fit_mask: the mask is known to differ in size from its image and is resized (nearest) to it.
    """

    name: str
    image: Path
    mask: Path | None = None
    fit_mask: bool = False


class Pairs(NamedTuple):
    """What pairing two folders gave.

    Args:
        samples: one for every image, in natural order; ``mask`` is None where none has its name.
        spare_masks: masks that no image has the name of.
    """

    samples: list[Sample]
    spare_masks: list[Path]


def natural_key(text: str) -> tuple[tuple[int, int, str], ...]:
    """Return a sorting key under which ``img2`` precedes ``img10``, equal on every platform."""
    parts = re.split(r"([0-9]+)", text)
    return (*((1, int(p), "") if p.isdecimal() else (0, 0, p) for p in parts), (0, 0, text))


def is_junk(name: str) -> bool:
    """Tell whether a file or folder name is hidden or an operating system's leftover."""
    return name.startswith(".") or name.lower() in _JUNK


def discover_images(folder: Path, recursive: bool = False) -> list[Path]:
    """List the image files of a folder in natural order, by suffix in any case.

    Args:
        folder: where to look; links to folders are followed, each real folder once.
        recursive: also look below.

    Raises:
        SodError: the folder is absent or may not be read.
    """
    if not folder.is_dir():
        raise SodError(f"{folder}: no such folder")
    found = [path for path in _files(folder, recursive) if path.suffix.lower() in SUFFIXES]
    return sorted(found, key=lambda path: natural_key(path.relative_to(folder).as_posix()))


def name_of(path: Path, folder: Path) -> str:
    """Return the sample name of a file below a folder: its relative path without the suffix."""
    return path.relative_to(folder).with_suffix("").as_posix()


def index_by_name(folder: Path, recursive: bool = False) -> dict[str, list[Path]]:
    """Return the image files of a folder under their sample names, several where names collide."""
    index: dict[str, list[Path]] = {}
    for path in discover_images(folder, recursive):
        index.setdefault(name_of(path, folder), []).append(path)
    return index


def pair(images: Path, masks: Path | None, recursive: bool = False) -> Pairs:
    """Pair the images of one folder with the masks of another by name.

    Args:
        images: folder of images.
        masks: folder of masks, or None.
        recursive: also look below both folders.

    Raises:
        SodError: a folder is absent, or two files in one folder share a name.
    """
    image_index = _unique(index_by_name(images, recursive))
    mask_index = _unique(index_by_name(masks, recursive)) if masks else {}
    samples = [Sample(name, path, mask_index.get(name)) for name, path in image_index.items()]
    return Pairs(samples, [path for name, path in mask_index.items() if name not in image_index])


def _unique(index: Mapping[str, Sequence[Path]]) -> dict[str, Path]:
    for name, paths in index.items():
        if len(paths) > 1:
            files = " and ".join(path.name for path in paths)
            raise SodError(f"{paths[0].parent}: {files} share the name '{name}'; keep one of them")
    return {name: paths[0] for name, paths in index.items()}


def _files(folder: Path, recursive: bool) -> Iterator[Path]:
    seen: set[str] = set()

    def stop(error: OSError) -> None:
        raise SodError(f"{error.filename}: {error.strerror}") from error

    for where, folders, files in os.walk(folder, followlinks=True, onerror=stop):
        real = os.path.realpath(where)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(f for f in folders if not is_junk(f)) if recursive else []
        yield from (Path(where) / name for name in files if not is_junk(name))
