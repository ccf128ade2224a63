"""Files whose checksum was verified once and that are recognised by size and time since."""

import json
from pathlib import Path

from sod.core.errors import SodError
from sod.core.files import file_checksum, write_text

Stamp = list[int | str]


class VerifiedFiles:
    """Remembers size, modification time and checksum of files, so that each is hashed once.

    Args:
        path: Where they are remembered between runs. It is a cache: without it, or where it cannot
            be written, files are hashed again.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamps = _read(path)
        self._changed = False

    def matches(self, file: Path, sha256: str) -> bool:
        """Return whether a file is there and has this SHA-256.

        A file of the size and modification time (in nanoseconds) at which it was hashed before is
        not hashed again.
        """
        try:
            found = file.stat()
        except OSError:
            return False
        known = self._stamps.get(str(file.absolute()))
        if known is None or known[:2] != [found.st_size, found.st_mtime_ns]:
            self.add(file, file_checksum(file))
            known = self._stamps[str(file.absolute())]
        return known[2] == sha256

    def add(self, file: Path, sha256: str) -> None:
        """Remember the checksum of a file as it is now."""
        found = file.stat()
        self._stamps[str(file.absolute())] = [found.st_size, found.st_mtime_ns, sha256]
        self._changed = True

    def save(self) -> None:
        """Write what is remembered, if anything is new and the folder is there."""
        if not self._changed or not self._path.parent.is_dir():
            return
        self._changed = False
        try:
            write_text(self._path, json.dumps(self._stamps))
        except SodError:
            return  # a store that is read only is hashed again by the next run


def _read(path: Path) -> dict[str, Stamp]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    if not isinstance(content, dict):
        return {}
    return {
        name: stamp
        for name, stamp in content.items()
        if isinstance(stamp, list) and len(stamp) == 3  # size, time, checksum
    }
