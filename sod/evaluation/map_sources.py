"""Folders and patterns of saved maps, as people publish them."""

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from sod.core.errors import SodError, suggest_path
from sod.data.samples import is_junk

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".npy")
_SET = "{set}"


class MapSource(NamedTuple):
    """Where the maps of one method lie.

    Attributes:
        label: Name of the method.
        pattern: A folder, or a path with one ``*`` for the name of an image and perhaps ``{set}``
            for the name of the data set.
    """

    label: str
    pattern: str

    def __str__(self) -> str:
        """Return the pattern, for messages."""
        return self.pattern


def parse_sources(text: str) -> list[MapSource]:
    """Parse ``NAME=FOLDER,NAME=FOLDER/PREFIX_*_SUFFIX.png``; names default to the folder's.

    Raises:
        SodError: There is none, a folder is absent, or a pattern has several ``*``.
    """
    sources = [parse_source(part.strip()) for part in text.split(",") if part.strip()]
    if not sources:
        raise SodError("--maps: names no folder.")
    return sources


def parse_source(text: str) -> MapSource:
    """Parse one folder or pattern, with or without a name.

    Raises:
        SodError: The folder is absent, or the pattern has several ``*``.
    """
    label, equals, rest = text.partition("=")
    pattern = rest if equals else text
    if pattern.count("*") > 1:
        raise SodError(f"--maps {pattern}: use one '*', which stands for the image's name.")
    folder = _base(pattern)
    known = _base(pattern.partition(_SET)[0] + "*" if _SET in pattern else pattern)
    if not known.is_dir():
        hint = suggest_path(str(known))
        raise SodError(f"--maps {pattern}: there is no such folder {known}.{hint}")
    return MapSource(label if equals else folder.resolve().name, pattern)


def is_source(text: str) -> bool:
    """Return whether a path is a folder or a pattern of maps, rather than a file."""
    return "*" in text or _SET in text or Path(text).is_dir()


def map_files(source: MapSource, dataset: str) -> dict[str, Path]:
    """Return the map files of a data set by image name, in order.

    Files are searched in the folder, or in its sub-folder named after the data set if there is
    one. Without a suffix in the pattern, any known one is taken.

    Args:
        source: The folder or pattern.
        dataset: Name of the data set.

    Raises:
        SodError: The folder is absent, or two files belong to one image.
    """
    pattern = source.pattern.replace(_SET, dataset)
    base = _base(pattern)
    if not base.is_dir():
        raise SodError(f"--maps {pattern}: there is no such folder {base}.")
    prefix, suffix = _ends(pattern)
    if _SET not in source.pattern and (base / dataset).is_dir():
        base = base / dataset
    files: dict[str, Path] = {}
    for path in _walk(base):
        name = _name(path.relative_to(base).as_posix(), prefix, suffix)
        if name is None:
            continue
        if name in files:
            raise SodError(f"{files[name]} and {path}: two maps of one image; keep one of them.")
        files[name] = path
    return files


def _ends(pattern: str) -> tuple[str, str]:
    """Return what stands before and after the ``*``, below the base folder."""
    before, star, after = pattern.partition("*")
    return (before[len(_leading(pattern)) :], after) if star else ("", "")


def _leading(pattern: str) -> str:
    """Return the part of a pattern up to the last ``/`` before its ``*``."""
    before = pattern.partition("*")[0]
    return before[: before.rfind("/") + 1]


def _base(pattern: str) -> Path:
    return Path(_leading(pattern) or ".") if "*" in pattern else Path(pattern)


def _name(relative: str, prefix: str, suffix: str) -> str | None:
    """Return the image's name of a file, or None if the pattern does not match."""
    path = Path(relative)
    if path.suffix.lower() not in SUFFIXES:
        return None
    stem = path.with_suffix("").as_posix()
    text = relative if suffix.lower().endswith(SUFFIXES) else stem
    if not (text.startswith(prefix) and text.endswith(suffix)):
        return None
    middle = text[len(prefix) : len(text) - len(suffix)] if suffix else stem[len(prefix) :]
    return middle or None


def _walk(folder: Path) -> Iterable[Path]:
    return (path for path in sorted(folder.rglob("*")) if path.is_file() and not is_junk(path.name))
