"""Files: atomic writing, checksums and YAML configs."""

import hashlib
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from glob import escape
from pathlib import Path
from typing import IO, Any

import torch
import yaml
from torch import Tensor

from sod.core.configs import find_config
from sod.core.errors import SodError
from sod.core.reading import read_text

try:
    import fcntl
except ImportError:  # Windows has no such locks
    fcntl = None  # type: ignore[assignment]

UNDECODED = "backslashreplace"
"""How bytes in names of files that are no valid text are written into texts."""


@contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """Write a file completely or not at all, by way of a temporary file that is then renamed.

    Temporary files that killed processes left behind are removed. Those of processes that still
    write are locked, and are left alone: also where two containers have the same process number.

    Args:
        path: The file to write; missing parent folders are created.

    Yields:
        The temporary path in the same folder, to be written in the ``with`` block. If the block
        raises, ``path`` stays unchanged.

    Raises:
        SodError: The file cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        sweep(path.parent, f".{path.name}.")
        with _temporary_file(path) as temporary:
            yield temporary
            with temporary.open("rb") as file:
                os.fsync(file.fileno())
            temporary.replace(path)
    except OSError as error:
        raise SodError(f"{path}: cannot be written: {error.strerror}.") from error


def sweep(folder: Path, prefix: str = ".") -> None:
    """Remove the unfinished files of killed processes from a folder.

    Args:
        folder: The folder.
        prefix: How their names begin.
    """
    for other in folder.glob(f"{escape(prefix)}*.tmp"):
        with suppress(OSError), other.open("r+b") as file:
            if _lock(file):
                other.unlink(missing_ok=True)


@contextmanager
def _temporary_file(path: Path) -> Iterator[Path]:
    """Make a locked file beside ``path``; it is removed at the end if it still has its name."""
    while True:
        handle, name = tempfile.mkstemp(".tmp", f".{path.name}.", path.parent)
        temporary = Path(name)
        with os.fdopen(handle, "r+b") as file:
            if _lock(file) is None or not temporary.exists():
                continue  # another process took it for a dead one's before it was locked
            temporary.chmod(0o666 & ~_umask())
            try:
                yield temporary
            finally:
                with suppress(OSError):
                    temporary.unlink(missing_ok=True)
            return


def _lock(file: IO[bytes]) -> bool | None:
    """Lock an open file until it is closed.

    Returns:
        Whether it is locked now; None if another process holds its lock. Where there are no locks
        it is False, and nobody is known to be dead.
    """
    if fcntl is None:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return None
    except OSError:
        return False
    return True


def _umask() -> int:
    """Return the permissions that new files lack."""
    mask = os.umask(0)
    os.umask(mask)
    return mask


def make_folder(out: str, option: str = "--out") -> Path:
    """Create the output folder that an option names.

    Args:
        out: The folder.
        option: The option, for messages.

    Raises:
        SodError: The folder cannot be created.
    """
    path = Path(out)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SodError(f"{option} {out}: cannot be created: {error.strerror}.") from error
    return path


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 text file completely or not at all.

    Raises:
        SodError: The file cannot be written.
    """
    with atomic_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors=UNDECODED)


@contextmanager
def atomic_text(path: Path) -> Iterator[IO[str]]:
    """Open a UTF-8 text file to write it as :func:`atomic_file` does, with line ends as given.

    Raises:
        SodError: The file cannot be written.
    """
    with (
        atomic_file(path) as temporary,
        temporary.open("w", newline="", encoding="utf-8", errors=UNDECODED) as file,
    ):
        yield file


def read_yaml(path: str | Path, option: str) -> dict[str, Any]:
    """Read a YAML file whose top level is a mapping.

    Args:
        path: The file, or the name of a packaged config.
        option: The command-line option that gave the path, for error messages.

    Raises:
        SodError: The file is missing (a similar name is suggested), is not valid YAML, or does not
            hold a mapping.
    """
    file = Path(find_config(str(path), option))
    try:
        content = yaml.safe_load(read_text(file, where=f"{option} {path}"))
    except (yaml.YAMLError, ValueError) as error:
        detail = " ".join(str(error).split())
        raise SodError(f"{option} {path}: is not valid YAML: {detail}") from error
    except RecursionError as error:
        raise SodError(f"{option} {path}: is not valid YAML: nested too deeply") from error
    if not isinstance(content, dict):
        raise SodError(f"{option} {path}: expected keys such as `model:` and `data:`.")
    return content


def file_checksum(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal digits.

    Raises:
        SodError: The file cannot be read.
    """
    if path.exists() and not path.is_file():
        raise SodError(f"{path}: cannot be read: it is not a regular file.")
    try:
        with path.open("rb") as file:
            digest = hashlib.sha256()
            while chunk := file.read(1 << 20):
                digest.update(chunk)
    except OSError as error:
        raise SodError(f"{path}: cannot be read: {error.strerror}.") from error
    return digest.hexdigest()


def state_checksum(state: Mapping[str, Tensor]) -> str:
    """Return the SHA-256 of a state dict in hexadecimal digits.

    It covers the names, dtypes, shapes and values of all tensors, and does not depend on their
    order or device.

    Args:
        state: The state dict.
    """
    digest = hashlib.sha256()
    for key in sorted(state):
        value = state[key].detach().cpu().contiguous()
        digest.update(f"{key} {value.dtype} {tuple(value.shape)}\n".encode())
        digest.update(value.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
