"""Files: atomic writing, checksums and YAML configs."""

import hashlib
import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from glob import escape
from pathlib import Path
from typing import Any

import torch
import yaml
from torch import Tensor

from sod.core.configs import find_config
from sod.core.errors import SodError


@contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """Write a file completely or not at all, by way of a temporary file that is then renamed.

    Temporary files left behind by killed processes of this host are removed.

    Args:
        path: The file to write; missing parent folders are created.

    Yields:
        The temporary path in the same folder, to be written in the ``with`` block. If the block
        raises, ``path`` stays unchanged.

    Raises:
        SodError: The file cannot be written.
    """
    prefix = f".{path.name}.{socket.gethostname()}."
    temporary = path.with_name(f"{prefix}{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        for other in path.parent.glob(f"{escape(prefix)}*.tmp"):
            if not _is_running(other.name.removeprefix(prefix).removesuffix(".tmp")):
                other.unlink(missing_ok=True)
        yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise SodError(f"{path}: cannot be written: {error.strerror}.") from error
    finally:
        with suppress(OSError):  # its folder may not exist: the error above says so
            temporary.unlink(missing_ok=True)


def make_folder(out: str) -> Path:
    """Create the output folder that the option ``--out`` names.

    Raises:
        SodError: The folder cannot be created.
    """
    path = Path(out)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SodError(f"--out {out}: cannot be created: {error.strerror}.") from error
    return path


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 text file completely or not at all.

    Raises:
        SodError: The file cannot be written.
    """
    with atomic_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


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
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        detail = " ".join(str(error).split())
        raise SodError(f"{option} {path}: is not valid YAML: {detail}") from error
    if not isinstance(content, dict):
        raise SodError(f"{option} {path}: expected keys such as `model:` and `data:`.")
    return content


def file_checksum(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal digits.

    Raises:
        SodError: The file cannot be read.
    """
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


def _is_running(pid: str) -> bool:
    """Return whether a process of this host runs; True where that cannot be determined."""
    if not pid.isdecimal() or os.name == "nt":  # os.kill terminates the process on Windows
        return True
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
