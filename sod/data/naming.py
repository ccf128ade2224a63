"""Names of samples: short, and no two of them alike."""

import unicodedata
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from sod.core.errors import SodError


def unique_names(files: Sequence[Path]) -> list[str]:
    """Return a name per file, so that ``NAME.png`` and ``NAME.json`` overwrite no other result.

    It is the path without the suffix where that is unambiguous, else with it. Names that differ
    only in case or in the encoding of accents count as equal, as on macOS and Windows.

    Args:
        files: Relative paths, no two of them equal.

    Raises:
        SodError: A result would have the path of another result's folder.
    """
    names = [file.with_suffix("").as_posix() for file in files]
    folders = {_key(parent.as_posix()) for file in files for parent in file.parents}
    for _ in range(3):  # a name with its suffix can clash with the shorter name of a further file
        clashing = _clashing(names, folders)
        names = [
            file.as_posix() if clash else name
            for name, file, clash in zip(names, files, clashing, strict=True)
        ]
    for file, clash in zip(files, _clashing(names, folders), strict=True):
        if clash:
            raise SodError(
                f"{file}: its results would have the name of a folder of images: rename it."
            )
    return names


def _clashing(names: Sequence[str], folders: set[str]) -> list[bool]:
    """Return for each name whether its result has the path of another result or of a folder."""
    counts = Counter(map(_key, names))
    return [
        counts[_key(name)] > 1
        or not folders.isdisjoint({_key(f"{name}.png"), _key(f"{name}.json")})
        for name in names
    ]


def _key(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()
