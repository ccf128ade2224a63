"""Names of samples: short, and no two of them alike."""

import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import PurePath

import numpy as np

from sod.core.errors import SodError


def unique_names(files: Sequence[PurePath | str]) -> list[str]:
    """Return a name per file, so that ``NAME.png`` and ``NAME.json`` overwrite no other result.

    It is the path without the suffix where that is unambiguous, else with it. Names that differ
    only in case or in the encoding of accents count as equal, as on macOS and Windows.

    Args:
        files: Relative paths, no two of them equal; those that are strings have ``/`` and no
            superfluous parts.

    Raises:
        SodError: A result would have the path of another result's folder.
    """
    paths = [file if isinstance(file, str) else file.as_posix() for file in files]
    names = [without_suffix(path) for path in paths]
    folders = _folders(paths)
    for _ in range(3):  # a name with its suffix can clash with the shorter name of a further file
        clashing = _clashing(names, folders)
        if not clashing:
            return names
        for index in clashing:
            names[index] = paths[index]
    for index in _clashing(names, folders):
        raise SodError(
            f"{paths[index]}: its results would have the name of a folder of images: rename it."
        )
    return names


def suffix_of(path: str) -> str:
    """Return the suffix of a path in lower case, such as ``.png``; empty without one."""
    name = path[path.rfind("/") + 1 :]
    dot = name.rfind(".")
    return name[dot:].lower() if 0 < dot < len(name) - 1 else ""


def without_suffix(path: str) -> str:
    """Return a path with ``/`` without its suffix."""
    dot = path.rfind(".")
    return path[:dot] if path.rfind("/") + 1 < dot < len(path) - 1 else path


def repeated(texts: Iterable[str]) -> list[int]:
    """Return the indices of the strings that may occur more than once, in order.

    Only hashes are kept, 8 bytes a string. All strings that are equal to another one are among
    them, and hardly ever one that is not.
    """
    hashes = np.fromiter(map(hash, texts), np.int64)
    ordered = np.sort(hashes)
    if not (ordered[1:] == ordered[:-1]).any():
        return []
    order = np.argsort(hashes, kind="stable")
    same = hashes[order][1:] == hashes[order][:-1]
    return [int(index) for index in np.union1d(order[1:][same], order[:-1][same])]


def _folders(paths: Sequence[str]) -> set[str]:
    """Return the keys of all folders above the files."""
    folders = {path[: path.rfind("/")] for path in paths if "/" in path}
    return {_key(parent.as_posix()) for folder in folders for parent in _with_parents(folder)}


def _with_parents(folder: str) -> list[PurePath]:
    path = PurePath(folder)
    return [path, *path.parents]


def _clashing(names: Sequence[str], folders: set[str]) -> list[int]:
    """Return the indices of names whose result has the path of another result or of a folder."""
    candidates = repeated(_keys(names))
    counts = Counter(_key(names[index]) for index in candidates)
    found = {index for index in candidates if counts[_key(names[index])] > 1}
    stems = {folder.rpartition(".")[0] for folder in folders if folder.endswith((".png", ".json"))}
    if stems:
        found.update(index for index, name in enumerate(names) if _key(name) in stems)
    return sorted(found)


def _keys(names: Sequence[str]) -> Iterable[str]:
    """Return the key of each name."""
    joined = "".join(names)
    if joined.isascii() and joined == joined.lower():
        return names
    return map(_key, names)


def _key(name: str) -> str:
    return name.lower() if name.isascii() else unicodedata.normalize("NFC", name).casefold()
