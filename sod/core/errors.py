"""Errors a user can mend: one line that names the file, the field and the remedy."""

from collections.abc import Iterable
from difflib import get_close_matches


class SodError(Exception):
    """A user's mistake, told in one line and without a traceback."""


class ImageError(SodError):
    """An image or mask file that cannot be read; the message names the file."""


def suggest(name: str, known: Iterable[str]) -> str:
    """Return `` Did you mean 'x'?`` for the known name nearest to ``name``, or an empty string."""
    close = get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f" Did you mean '{close[0]}'?" if close else ""
