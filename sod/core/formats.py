"""The format number of a file: how it is laid out, so that a later layout is not misread."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import sod
from sod.core.errors import SodError
from sod.core.names import one_line
from sod.core.reading import read_json


def stamp(number: int) -> dict[str, Any]:
    """Return the entries that say how a file is laid out, and which version wrote it."""
    return {"format": number, "sod_version": sod.__version__}


def made_by(content: Mapping[str, Any]) -> str:
    """Return which version wrote a file, for messages."""
    version = content.get("sod_version")
    return f"sod {one_line(version)[:20]}" if isinstance(version, str) else "sod before 0.1"


def check_format(content: Mapping[str, Any], known: int, where: str) -> None:
    """Refuse a file of a later format; one without a number is of format 0, the first.

    Args:
        content: What the file holds.
        known: The latest format that this version reads.
        where: The file, for the message.

    Raises:
        SodError: It is later, or no number.
    """
    number = content.get("format", 0)
    if isinstance(number, int) and not isinstance(number, bool) and 0 <= number <= known:
        return
    raise SodError(
        f"{where}: has format {one_line(repr(number))[:20]} and was written by {made_by(content)}; "
        f"this is sod {sod.__version__}, which reads formats up to {known}: install the newer one."
    )


def read_stamped(path: Path, known: int, remedy: str) -> dict[str, Any] | None:
    """Return the JSON object of a file with a format number; None where there is no file.

    Args:
        path: The file.
        known: The latest format that this version reads.
        remedy: What the user can do if it is damaged.

    Raises:
        SodError: The file is damaged, or of a later format.
    """
    if not path.is_file():
        return None
    content = read_json(path, remedy)
    if not isinstance(content, dict):
        raise SodError(f"{path}: is damaged: {remedy}.")
    check_format(content, known, f"{path}")
    return content
