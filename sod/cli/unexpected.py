"""The last net: an error that nobody foresaw, as one line and a log file with the traceback."""

import os
import platform
import sys
import tempfile
import traceback
from collections.abc import Sequence

import sod
from sod.core.names import one_line

EXIT_CODE = 3
"""Exit code of the program after an unexpected error."""

DEBUG = "SOD_DEBUG"
"""Environment variable: 1 shows the traceback of every error on standard error."""


def report_unexpected(error: Exception, words: Sequence[str]) -> int:
    """Print one line on standard error, write the traceback to a file, and return the exit code.

    Args:
        error: The error.
        words: The command line.
    """
    kind = type(error).__name__
    text = one_line(f"{kind}: {error}")[:300]
    where = _log(error, words)
    sys.stderr.write(f"error: unexpected {text} ({where})\n")
    show_traceback(error)
    return EXIT_CODE


def show_traceback(error: Exception) -> None:
    """Print the traceback of an error if ``SOD_DEBUG`` is 1."""
    if os.environ.get(DEBUG) == "1":
        traceback.print_exception(error)


def _log(error: Exception, words: Sequence[str]) -> str:
    """Write the traceback to a new file, and return what to say of it."""
    lines = [
        f"sod {sod.__version__}, Python {platform.python_version()}, {platform.platform()}\n",
        f"command line: {list(words)!r}\n\n",
        *traceback.format_exception(error),
    ]
    try:
        handle, name = tempfile.mkstemp(prefix="sod-", suffix=".log", text=True)
        with os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.writelines(lines)
    except OSError:
        return f"{DEBUG}=1 shows the traceback"
    return f"the traceback is in {name}"
