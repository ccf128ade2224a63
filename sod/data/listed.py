"""Datasets that a text file lists: an image a line, or an image and its mask."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from sod.core.errors import SodError, suggest_path
from sod.data.naming import repeated, unique_names
from sod.data.sample_list import SampleList

MARK = "@"
"""Before the path of a list, as in ``@photos.txt``."""
FEW = 1000
"""Files of a list that are looked up at once; further ones are missed when they are read."""


def listed_samples(path: Path) -> tuple[Path, SampleList]:
    """Read a list: a file a line, of an image, or of an image and its mask with a tab between.

    Paths are relative to the working directory, as those of ``--source @list.txt``. Images keep the
    order of the list, and are named by their paths below the deepest folder that holds them all.

    Args:
        path: The list.

    Returns:
        That folder, and the samples.

    Raises:
        SodError: The list cannot be read, names nothing, one of its first files is missing, or an
            image is in it twice.
    """
    images: list[str] = []
    masks: list[str] = []
    for image, mask in _lines(path):
        images.append(os.path.abspath(image))  # noqa: PTH100 - faster for a million entries
        masks.append(mask)
    if not images:
        raise SodError(f"{MARK}{path}: lists no images: write a file a line.")
    _check_present(path, [*images[:FEW], *filter(None, masks[:FEW])])
    _check_once(path, images)
    folder = common_folder(images, f"{MARK}{path}")
    start = len(str(folder / "x")) - 1
    names = unique_names([image[start:].replace(os.sep, "/") for image in images])
    return folder, SampleList(names, images, masks if any(masks) else ())


def _lines(path: Path) -> Iterator[tuple[str, str]]:
    """Yield image and mask of each line that is not empty; the mask is empty where none is given.

    Raises:
        SodError: The file cannot be read as text, or a line has more than two parts.
    """
    for number, line in enumerate(read_lines(path, f"{MARK}{path}", "images"), 1):
        image, *others = (part.strip() for part in line.strip().split("\t"))
        if len(others) > 1:
            raise SodError(f"{MARK}{path}, line {number}: more than an image and a mask.")
        if image:
            yield image, "".join(others)


def read_lines(path: Path, where: str, of: str) -> Iterator[str]:
    """Yield the lines of a list, one at a time.

    Args:
        path: The list.
        where: What names it, for messages.
        of: What it lists, for messages.

    Raises:
        SodError: It cannot be read as text.
    """
    try:
        with path.open(encoding="utf-8") as file:
            yield from file
    except (OSError, UnicodeDecodeError) as error:
        hint = suggest_path(str(path))
        raise SodError(f"{where}: cannot be read as a list of {of}.{hint}") from error


def _check_present(path: Path, files: Iterable[str]) -> None:
    for file in files:
        if not Path(file).is_file():
            hint = suggest_path(file)
            raise SodError(f"{MARK}{path}: {file}: there is no such file.{hint}")


def _check_once(path: Path, images: list[str]) -> None:
    seen: set[str] = set()
    for image in (images[index] for index in repeated(images)):
        if image in seen:
            raise SodError(f"{MARK}{path}: {image} is in it twice: list each image once.")
        seen.add(image)


def folders_of(files: Iterable[str]) -> set[str]:
    """Return what precedes the names of files, with the separator."""
    sep = os.sep
    return {file[: file.rfind(sep) + 1] for file in files}


def common_folder(files: Iterable[str], where: str) -> Path:
    """Return the deepest folder that holds all files.

    Args:
        files: Their paths.
        where: What names them, for the message.

    Raises:
        SodError: They are on several drives of Windows.
    """
    parents = [str(Path(folder).absolute()) for folder in folders_of(files)]
    try:
        return Path(os.path.commonpath(parents))
    except ValueError as error:
        raise SodError(f"{where}: the files are on several drives: give those of one.") from error
