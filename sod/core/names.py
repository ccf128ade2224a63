"""Names of files: what may be one, and how any one is shown on one line."""

from sod.core.errors import SodError


def check_file_name(name: str, option: str) -> str:
    """Return a name that an option gives, if it can be the name of one file or folder.

    Raises:
        SodError: It is empty, dots only, or has a separator or a control character.
    """
    if not name.strip(". ") or not name.isprintable() or set(name) & set("/\\:"):
        raise SodError(f"{option} {name!r}: becomes a folder's name: give one without / \\ and :")
    return name


def one_line(text: str) -> str:
    """Return a text with its line breaks, control characters and undecodable bytes escaped."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
