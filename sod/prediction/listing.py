"""What `--source` names: files, folders, patterns, lists and videos, as one list of inputs."""

import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from glob import escape, glob, has_magic
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from sod.core.errors import SodError, suggest_path
from sod.data.image_files import SUFFIXES
from sod.data.listed import common_folder, folders_of, read_lines
from sod.data.naming import repeated, suffix_of, unique_names
from sod.data.sample_list import SampleList
from sod.data.samples import Sample, discover_files
from sod.prediction import cameras
from sod.prediction.cameras import camera_of, is_camera

VIDEOS = frozenset({".mp4", ".mov", ".m4v", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".wmv"})
"""Suffixes, in lower case, of the files that are read as videos."""


FEW = 1000
"""Files of a list that are looked up one by one; for further ones their folders are read."""

_ENDS = tuple(VIDEOS)


class Inputs(NamedTuple):
    """What is predicted on.

    Args:
        images: The images.
        videos: The videos; the names of both differ.
    """

    images: SampleList
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
    files = list(chain.from_iterable(map(_files, entries)))
    if repeated(files):
        files = list(dict.fromkeys(files))
    single = Path(entries[0]) if len(entries) == 1 else None
    base = single if single is not None and single.is_dir() else common_folder(files, "--source")
    samples = SampleList(unique_names(_relative(files, base)), files)
    if not _videos(files):
        return Inputs(samples, [])
    videos = samples.where(lambda _, file: is_video(file))
    return Inputs(samples.where(lambda _, file: not is_video(file)), list(videos))


def is_video(file: str) -> bool:
    """Return whether a file is read as a video: by its suffix, or as a camera."""
    if file.lower().endswith(_ENDS):
        return suffix_of(file) in VIDEOS
    return file.startswith(str(cameras.DEVICES)) and is_camera(Path(file))


def _videos(files: Sequence[str]) -> list[str]:
    """Return the files that are read as videos."""
    ends = {file[file.rfind(".") :] for file in files}  # few, so that few need be looked at
    devices = str(cameras.DEVICES)
    if not any(is_video(f"x{end}") for end in ends) and not any(
        folder.startswith(devices) for folder in folders_of(files)
    ):
        return []
    return [file for file in files if is_video(file)]


def _files(entry: str) -> Iterator[str]:
    """Yield the files of one source."""
    camera = camera_of(entry)
    if camera is not None:
        yield str(camera)
    elif os.path.isfile(entry):  # noqa: PTH113 - faster than a Path for each of a million entries
        yield _plain(entry)
    elif Path(entry).is_dir():
        yield from _folder(Path(entry))
    elif entry == "-":
        yield from _listed(sys.stdin, "-")
    elif entry.startswith("@"):
        yield from _listed(read_lines(Path(entry[1:]), f"--source {entry}", "names"), entry)
    elif has_magic(entry):
        yield from _matching(entry)
    else:
        raise SodError(f"--source {entry}: there is no such file or folder.{suggest_path(entry)}")


def _plain(entry: str) -> str:
    """Return a path without superfluous parts, as :class:`pathlib.Path` writes it."""
    if os.sep == "/" and "//" not in entry and "./" not in entry:
        return entry
    return str(Path(entry))


def _folder(path: Path) -> Iterator[str]:
    found = discover_files(path, recursive=True, suffixes=SUFFIXES | VIDEOS)
    if not found:
        raise SodError(f"--source {path}: there is no image in this folder.")
    prefix = "" if str(path) == "." else os.path.join(path, "")  # noqa: PTH118
    videos = _videos(found)
    chosen = set(videos)
    images = [file for file in found if file not in chosen] if videos else found
    yield from [prefix + file for file in (*images, *videos)]


def _matching(pattern: str) -> Iterator[str]:
    found = sorted(glob(pattern, recursive=True))  # noqa: PTH207 - the pattern may be absolute
    if not found:
        raise SodError(f"--source {pattern}: matches no file.")
    for name in found:
        yield from _files(escape(name) if not Path(name).exists() else name)


def _listed(lines: Iterable[str], entry: str) -> Iterator[str]:
    number, present = 0, Present()
    known = present.files
    for number, name in enumerate(filter(None, map(str.strip, lines)), 1):
        if name in known or (number > FEW and name in present):
            yield _plain(name)
        else:
            yield from _files(name)
    if not number:
        raise SodError(f"--source {entry}: lists no names.")


class Present:
    """The regular files that are there, found by reading each folder once.

    To ask for each file takes minutes for a million files that the system has not seen lately, as
    their inodes lie all over the disk. Links and folders are not among them.

    Attributes:
        files: Those of the folders that were read.
    """

    def __init__(self) -> None:
        self.files: set[str] = set()
        self._folders: set[str] = set()

    def __contains__(self, file: str) -> bool:
        folder = _folder_of(file)
        if folder not in self._folders:
            self._folders.add(folder)
            self.files.update(_files_in(folder))
        return file in self.files


def _files_in(folder: str) -> list[str]:
    """Return the regular files in a folder that ends with a separator; none of a missing one."""
    try:
        with os.scandir(folder or ".") as entries:
            return [folder + each.name for each in entries if each.is_file(follow_symlinks=False)]
    except OSError:
        return []


def _relative(files: Sequence[str], base: Path) -> list[str]:
    """Return the paths of files below a folder, with ``/``."""
    prefixes = {}
    for folder in folders_of(files):
        inner = Path(os.path.relpath(folder or ".", base)).as_posix()
        prefixes[folder] = "" if inner == "." else f"{inner}/"
    if len(prefixes) == 1:
        ((folder, prefix),) = prefixes.items()
        return [prefix + file[len(folder) :] for file in files]
    return [prefixes[_folder_of(file)] + file[file.rfind(os.sep) + 1 :] for file in files]


def _folder_of(file: str) -> str:
    """Return what precedes the name of a file, with the separator."""
    return file[: file.rfind(os.sep) + 1]
