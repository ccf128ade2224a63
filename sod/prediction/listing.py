"""What `--source` names: files, folders, patterns, lists and videos, as one list of inputs."""

import os
import sys
from collections.abc import Iterator, Sequence
from glob import escape, glob, has_magic
from pathlib import Path
from typing import NamedTuple

from sod.core.errors import SodError, suggest_path
from sod.data.naming import unique_names
from sod.data.samples import Sample, discover_images
from sod.prediction.cameras import camera_of, is_camera

VIDEOS = frozenset({".mp4", ".mov", ".m4v", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".wmv"})
"""Suffixes, in lower case, of the files that are read as videos."""


class Inputs(NamedTuple):
    """What is predicted on.

    Args:
        images: The images.
        videos: The videos; the names of both differ.
    """

    images: list[Sample]
    videos: list[Sample]


def list_inputs(sources: str | Sequence[str]) -> Inputs:
    """List the images and videos that sources name.

    A source is a file, a folder (with its sub-folders), a pattern such as ``photos/*.jpg``,
    ``camera`` or the number of one, ``@list.txt`` (one name a line), or ``-`` (one name a line on
    standard input). Of a single folder the results are named by the paths below it, of several
    sources by those below their common folder (:func:`sod.data.naming.unique_names`).

    Args:
        sources: One source or several.

    Raises:
        SodError: There is nothing at a source, or no image and no video in it.
    """
    entries = [sources] if isinstance(sources, str) else list(sources)
    files = list(dict.fromkeys(file for entry in entries for file in _files(entry)))
    single = Path(entries[0]) if len(entries) == 1 else None
    base = single if single is not None and single.is_dir() else _common_folder(files)
    names = unique_names([Path(os.path.relpath(file, base)) for file in files])
    samples = [Sample(name, file, None) for name, file in zip(names, files, strict=True)]
    videos = [sample for sample in samples if is_video(sample.image)]
    return Inputs([sample for sample in samples if sample not in videos], videos)


def is_video(path: Path) -> bool:
    """Return whether a file is read as a video: by its suffix, or as a camera."""
    return path.suffix.lower() in VIDEOS or is_camera(path)


def _files(entry: str) -> Iterator[Path]:
    """Yield the files of one source."""
    path, camera = Path(entry), camera_of(entry)
    if camera is not None:
        yield camera
    elif path.is_file():
        yield path
    elif path.is_dir():
        yield from _folder(path)
    elif entry == "-":
        yield from _listed(sys.stdin.read(), "-")
    elif entry.startswith("@"):
        yield from _listed(_read(Path(entry[1:])), entry)
    elif has_magic(entry):
        yield from _matching(entry)
    else:
        raise SodError(f"--source {entry}: there is no such file or folder.{suggest_path(entry)}")


def _folder(path: Path) -> Iterator[Path]:
    videos = [file for file in sorted(path.rglob("*")) if file.suffix.lower() in VIDEOS]
    found = [*discover_images(path, recursive=True), *(file for file in videos if file.is_file())]
    if not found:
        raise SodError(f"--source {path}: there is no image in this folder.")
    yield from found


def _matching(pattern: str) -> Iterator[Path]:
    found = sorted(glob(pattern, recursive=True))  # noqa: PTH207 - the pattern may be absolute
    if not found:
        raise SodError(f"--source {pattern}: matches no file.")
    for name in found:
        yield from _files(escape(name) if not Path(name).exists() else name)


def _listed(text: str, entry: str) -> Iterator[Path]:
    names = [line.strip() for line in text.splitlines() if line.strip()]
    if not names:
        raise SodError(f"--source {entry}: lists no names.")
    for name in names:
        yield from _files(name)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        hint = suggest_path(str(path))
        raise SodError(f"--source @{path}: cannot be read as a list of names.{hint}") from error


def _common_folder(files: Sequence[Path]) -> Path:
    """Return the deepest folder that holds all files."""
    parents = [str(file.absolute().parent) for file in files]
    try:
        return Path(os.path.commonpath(parents))
    except ValueError as error:  # several drives of Windows
        raise SodError("--source: the files are on several drives: give those of one.") from error
