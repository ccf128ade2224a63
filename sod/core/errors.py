"""User errors: one-line messages that name the file, the field and the remedy."""

from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path


class SodError(Exception):
    """A mistake of the user, reported in one line without a traceback."""


class ImageError(SodError):
    """An unreadable image, mask or map file; the message names the file."""


def suggest(name: str, known: Iterable[str]) -> str:
    """Return a hint `` Did you mean 'x'?`` with the closest known name; empty if none is close."""
    close = get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f" Did you mean '{close[0]}'?" if close else ""


def suggest_path(path: str) -> str:
    """Return a hint with the closest name in the folder of an absent file or folder."""
    place = Path(path)
    near = [entry.name for entry in place.parent.iterdir()] if place.parent.is_dir() else []
    close = get_close_matches(place.name, near, n=1, cutoff=0.6)
    return f" Did you mean '{place.with_name(close[0])}'?" if close else ""
