"""Samples: image files paired with mask files by name."""

import os
import re
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from sod.core.errors import SodError
from sod.data.image_files import SUFFIXES
from sod.data.naming import unique_names

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


class Pairs(NamedTuple):
    """The result of pairing a folder of images with a folder of masks.

    Args:
        samples: One per image, in natural order; ``mask`` is None where no mask has its name.
        unmatched_masks: Mask files whose name belongs to no image.
    """

    samples: list[Sample]
    unmatched_masks: list[Path]


def natural_key(text: str) -> str:
    """Return a sorting key that orders ``img2`` before ``img10``, the same on every platform.

    Digits become a mark, their number, and the digits without leading zeros; the text follows, to
    order what else would be equal. No name of a file holds the mark.
    """
    return f"{_DIGITS.sub(_numbered, text)}\0\0{text}"


def natural_order(texts: list[str]) -> list[str]:
    """Return texts sorted by :func:`natural_key`."""
    layout = texts[0].translate(_LAYOUT) if texts else ""
    if all(text.isascii() and text.translate(_LAYOUT) == layout for text in texts):
        return sorted(texts)  # the digits are at the same places
    return sorted(texts, key=natural_key)


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
    found = [file for file in _files(folder, recursive) if file.lower().endswith(ends)]
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


def pair(images: Path, masks: Path | None, recursive: bool = False) -> Pairs:
    """Pair the images of one folder with the masks of another by name.

    A folder of masks with the name of an image holds several masks of it, in natural order.

    Args:
        images: The folder of images.
        masks: The folder of masks, or None. Without masks, images that differ in their suffix only
            have it in their name.
        recursive: Also search the subfolders of both.

    Raises:
        SodError: A folder is missing, or two images share a name by which a mask is to be found,
            or two masks do.
    """
    if masks is None:
        files = discover_images(images, recursive)
        names = unique_names([file.relative_to(images) for file in files])
        return Pairs([Sample(*pair) for pair in zip(names, files, strict=True)], [])
    image_index = _unique(index_by_name(images, recursive))
    mask_index = _unique(index_by_name(masks, recursive))
    masks_of = masks_by_image(image_index, {name: [path] for name, path in mask_index.items()})
    samples = [_with_masks(name, path, masks_of.get(name)) for name, path in image_index.items()]
    unmatched = [p for name, paths in masks_of.items() if name not in image_index for p in paths]
    return Pairs(samples, unmatched)


def masks_by_image(
    images: Container[str], masks: Mapping[str, Sequence[Path]]
) -> dict[str, list[Path]]:
    """Return the masks of each image: those of its name, or in a folder of its name.

    Args:
        images: Names of the images.
        masks: Mask files by name.

    Returns:
        By the image's name; masks of no image by their own name.
    """
    found: dict[str, list[Path]] = {}
    for name, paths in masks.items():
        folder = name.rpartition("/")[0]
        owner = folder if name not in images and folder in images else name
        found.setdefault(owner, []).extend(paths)
    return found


def _with_masks(name: str, image: Path, masks: Sequence[Path] | None) -> Sample:
    """Return a sample with its first mask and the further ones."""
    if not masks:
        return Sample(name, image)
    return Sample(name, image, masks[0], further=tuple(masks[1:]))


def _unique(index: Mapping[str, Sequence[Path]]) -> dict[str, Path]:
    for name, paths in index.items():
        if len(paths) > 1:
            files = " and ".join(path.name for path in paths)
            raise SodError(f"{paths[0].parent}: {files} share the name '{name}'; keep one of them")
    return {name: paths[0] for name, paths in index.items()}


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
        kept = (name for name in files if name[0] != "." and not is_junk(name))
        yield from kept if not prefix else (prefix + name for name in kept)
