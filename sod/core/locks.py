"""The lock of an output folder: two processes never write into it at once."""

import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import IO

from sod.core.at_end import AT_END
from sod.core.distributed import is_rank_zero
from sod.core.errors import SodError
from sod.core.files import make_folder
from sod.core.shards import Shard

try:
    import fcntl
except ImportError:  # Windows has no record locks: folders are not locked there
    fcntl = None  # type: ignore[assignment]

LOCK = ".lock"

_HELD: set[Path] = set()


@contextmanager
def locked_folder(folder: Path, option: str = "--out") -> Iterator[None]:
    """Keep other processes out of a folder during the ``with`` block.

    The lock is a record lock on ``.lock`` in the folder. The system releases it when its process
    ends, however that happens, so that a lock whose owner was killed is taken over. It is not
    inherited by worker processes, and it works across the machines that share a network file
    system.

    Args:
        folder: The folder; it must exist.
        option: The option that named it, for the message.

    Raises:
        SodError: Another process holds the lock; the message names it.
    """
    path = folder.resolve() / LOCK
    file = None if path in _HELD else _acquire(path, f"{option} {folder}")
    if file is None:
        yield
        return
    _HELD.add(path)
    try:
        yield
    finally:
        with suppress(OSError):
            path.unlink(missing_ok=True)
        _HELD.discard(path)
        file.close()


def output_folder(out: str, option: str = "--out") -> Path:
    """Create a folder that a command writes to, and keep other processes out until it ends.

    The first of several processes holds the lock.

    Args:
        out: The folder.
        option: The option that named it, for messages.

    Raises:
        SodError: It cannot be created, or another process writes there; the message names it.
    """
    folder = make_folder(out, option)
    if is_rank_zero():
        AT_END.enter_context(locked_folder(folder, option))
    return folder


def shard_folder(out: str, shard: Shard, option: str = "--out") -> Path:
    """Create a folder that several runs write to, one for each shard.

    Args:
        out: The folder.
        shard: The part of this run; with the whole, this is :func:`output_folder`.
        option: The option that named it, for messages.

    Raises:
        SodError: As :func:`output_folder`; another process may write another shard.
    """
    if shard.is_whole:
        return output_folder(out, option)
    folder = make_folder(out, option)
    output_folder(str(folder / "shards" / f"{shard.number}-of-{shard.total}"), option)
    return folder


def is_locked(folder: Path) -> bool:
    """Return whether another process holds the lock of a folder."""
    if fcntl is None or not (folder / LOCK).is_file():
        return False
    with suppress(OSError), (folder / LOCK).open("r+") as file:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            return True
    return False


def remove_stale_lock(folder: Path) -> None:
    """Remove the lock that a killed process left in a folder; one that is held stays."""
    if (folder / LOCK).is_file():
        with suppress(SodError), locked_folder(folder):
            pass


def remove_locks() -> None:
    """Remove the locks that this process holds, right before it ends at once."""
    for path in _HELD:
        with suppress(OSError):
            path.unlink(missing_ok=True)


def _acquire(path: Path, named: str) -> IO[str] | None:
    """Return the locked file, or None where the file system has no locks."""
    if fcntl is None:
        return None
    while True:
        try:
            file = path.open("a+", encoding="utf-8")
        except OSError as error:
            raise SodError(f"{path}: cannot be written: {error.strerror}.") from error
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            owner = _owner(path)
            file.close()
            raise SodError(
                f"{named}: is being written by {owner}: wait, end it, or give another folder."
            ) from None
        except OSError:  # a file system without locks
            file.close()
            return None
        if _is_still(path, file):
            return _signed(file)
        file.close()  # its owner removed it in between


def _is_still(path: Path, file: IO[str]) -> bool:
    """Return whether an open file is the one that the path names."""
    try:
        return path.stat().st_ino == os.fstat(file.fileno()).st_ino
    except FileNotFoundError:
        return False


def _signed(file: IO[str]) -> IO[str]:
    """Write who holds the lock into its file."""
    since = datetime.now().astimezone().isoformat(" ", "seconds")
    owner = {"host": socket.gethostname(), "pid": os.getpid(), "since": since}
    with suppress(OSError):  # on a full disk the lock holds without a name
        file.truncate(0)
        file.write(json.dumps(owner))
        file.flush()
    return file


def _owner(path: Path) -> str:
    """Describe who holds a lock."""
    try:
        owner = json.loads(path.read_text(encoding="utf-8"))
        return f"process {owner['pid']} on {owner['host']} since {owner['since']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"
