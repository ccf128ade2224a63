"""Samples: image files paired with mask files by name."""

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from sod.core.errors import SodError
from sod.data.image_files import SUFFIXES

_DIGITS = re.compile("[0-9]+")
_LAYOUT = str.maketrans("123456789", "0" * 9)
_JUNK = frozenset({"__macosx", "thumbs.db", "desktop.ini"})


# No frozen dataclass: Lightning cannot move batches that hold one to a device.
class Sample(NamedTuple):
    """The files of one image and its mask.

    Args:
        name: The image's path relative to the dataset's folder, without suffix, with ``/``.
        image: The image file.
        mask: The mask file, or None.
        fit_mask: Resize the mask to its image (nearest), as it is known to differ in size.
        further: Further masks of the image, each of another object or by another annotator.
    """

    name: str
    image: Path
    mask: Path | None = None
    fit_mask: bool = False
    further: tuple[Path, ...] = ()

    @property
    def group(self) -> str:
        """The folder of the name, such as ``cats`` of ``cats/12``; empty without a folder."""
        return self.name.rpartition("/")[0]


def natural_key(text: str) -> str:
    """Return a sorting key that orders ``img2`` before ``img10``, the same on every platform.

    Digits become a mark, their number, and the digits without leading zeros; the text follows, to
    order what else would be equal. No name of a file holds the mark.
    """
    return f"{_DIGITS.sub(_numbered, text)}\0\0{text}"


def natural_order(texts: list[str]) -> list[str]:
    """Return texts sorted by :func:`natural_key`."""
    if _same_layout(texts):
        return sorted(texts)
    return sorted(texts, key=natural_key)


def _same_layout(texts: list[str]) -> bool:
    """Return whether all texts are ASCII and have their digits at the same places."""
    layout = texts[0].translate(_LAYOUT) if texts else ""
    if any(len(text) != len(layout) for text in texts):
        return False
    joined = "".join(texts)  # one call for all texts: they have the same length
    return joined.isascii() and joined.translate(_LAYOUT) == layout * len(texts)


def _numbered(digits: re.Match[str]) -> str:
    number = digits[0].lstrip("0")
    return f"\0{chr(1 + len(number))}{number}"


def is_junk(name: str) -> bool:
    """Return whether a file or folder name is hidden or created by an operating system."""
    return name.startswith(".") or name.lower() in _JUNK


def discover_images(folder: Path, recursive: bool = False) -> list[Path]:
    """Return the image files of a folder in natural order; suffixes count in any case.

    Args:
        folder: The folder. Links to folders are followed, each real folder once.
        recursive: Also search its subfolders.

    Raises:
        SodError: The folder is missing or cannot be read.
    """
    return [folder / file for file in discover_files(folder, recursive)]


def discover_files(
    folder: Path, recursive: bool = False, suffixes: Iterable[str] = SUFFIXES
) -> list[str]:
    """Return the files of a folder with certain suffixes, relative to it with ``/``.

    Args:
        folder: As of :func:`discover_images`.
        recursive: Also search its subfolders.
        suffixes: The suffixes, in lower case.

    Raises:
        SodError: The folder is missing or cannot be read.
    """
    if not folder.is_dir():
        raise SodError(f"{folder}: no such folder")
    ends = tuple(suffixes)  # names that begin with a dot are junk: what is left has a stem
    files = _files(folder, recursive)
    found = [file for file in files if file.endswith(ends) or file.lower().endswith(ends)]
    return natural_order(found)


def name_of(path: Path, folder: Path) -> str:
    """Return the sample name of a file: its path relative to ``folder``, without suffix."""
    return path.relative_to(folder).with_suffix("").as_posix()


def index_by_name(folder: Path, recursive: bool = False) -> dict[str, list[Path]]:
    """Return the image files of a folder by sample name, in natural order; names may collide."""
    index: dict[str, list[Path]] = {}
    for path in discover_images(folder, recursive):
        index.setdefault(name_of(path, folder), []).append(path)
    return index


def _files(folder: Path, recursive: bool) -> Iterator[str]:
    """Yield the files of a folder, relative to it, without junk; each real folder once."""
    visited: set[str] = set()

    def fail(error: OSError) -> None:
        raise SodError(f"{error.filename}: {error.strerror}") from error

    for parent, folders, files in os.walk(folder, followlinks=True, onerror=fail):
        real = os.path.realpath(parent)
        if real in visited:
            folders.clear()
            continue
        visited.add(real)
        folders[:] = sorted(f for f in folders if not is_junk(f)) if recursive else []
        inner = Path(parent).relative_to(folder).as_posix()
        prefix = "" if inner == "." else f"{inner}/"
        yield from [prefix + name for name in files if name[0] != "." and name.lower() not in _JUNK]
