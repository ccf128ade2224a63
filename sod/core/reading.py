"""Text files, read with errors of one line."""

import json
from pathlib import Path
from typing import Any

from sod.core.errors import SodError


def read_text(path: Path, remedy: str = "check the path", where: str | None = None) -> str:
    """Read a UTF-8 text file.

    Args:
        path: The file.
        remedy: What the user can do about an unreadable one, for the message.
        where: What names the file, for the message; None: its path.

    Raises:
        SodError: It is no regular file, cannot be read, or is not UTF-8.
    """
    where = where or str(path)
    if path.exists() and not path.is_file():
        raise SodError(f"{where}: cannot be read (not a regular file): {remedy}.")
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise SodError(f"{where}: cannot be read (not UTF-8 text): {remedy}.") from error
    except OSError as error:
        raise SodError(f"{where}: cannot be read ({error.strerror}): {remedy}.") from error


def read_json(path: Path, remedy: str = "check the path") -> Any:  # noqa: ANN401 - what it holds
    """Read a JSON file.

    Args:
        path: The file.
        remedy: As for :func:`read_text`.

    Raises:
        SodError: It cannot be read, or is not JSON.
    """
    return parse_json(read_text(path, remedy), f"{path}", remedy)


def parse_json(text: str, where: str, remedy: str) -> Any:  # noqa: ANN401 - what it holds
    """Parse JSON.

    Args:
        text: The text.
        where: Where it comes from, for messages.
        remedy: As for :func:`read_text`.

    Raises:
        SodError: It is not JSON, or is nested too deeply.
    """
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise SodError(f"{where}: is damaged: {remedy}.") from error
