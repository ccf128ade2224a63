"""Entry point of the `sod` program: from its words to an exit code.

PyTorch is imported when a command runs, so that help and misspelt words are answered at once.
"""

import io
import sys
from collections.abc import Sequence

import sod
from sod.cli.catalogue import COMMANDS
from sod.cli.early import check_early
from sod.cli.unexpected import report_unexpected, show_traceback
from sod.core.at_end import AT_END
from sod.core.errors import SodError, suggest
from sod.core.names import one_line
from sod.core.stopping import STOP, Interrupted, end_workers


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program.

    Args:
        arguments: Command line; by default that of the process.

    Returns:
        Exit code: 0 for success, 1 if files or data had defects, 2 for a user's mistake, 3 for an
        unexpected error, 128 plus the number of the signal that ended it: 130 for Ctrl-C, 143 for
        SIGTERM.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    for stream in (sys.stdout, sys.stderr):  # names of files need not be valid text
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    if not words or words[0] in {"-h", "--help"}:
        sys.stdout.write(usage() + "\n")
        return 0
    if words[0] == "--version":
        sys.stdout.write(f"sod {sod.__version__}\n")
        return 0
    try:
        with STOP.listening():
            return _run(*words)
    except SodError as error:
        return fail(error)
    except Interrupted as stop:
        end_workers()
        sys.stderr.write(f"{stop}\n")
        return stop.exit_code
    except OSError as error:  # a disk that is full, a folder that is read only
        name = error.filename or "a file"
        return fail(SodError(f"{name}: cannot be read or written: {error.strerror or error}."))
    except Exception as error:
        return report_unexpected(error, words)
    finally:
        AT_END.close()


def _run(name: str, *arguments: str) -> int:
    if name not in COMMANDS:
        raise SodError(f"there is no command '{name}'.{suggest(name, COMMANDS)}")
    command = COMMANDS[name]
    check_early(command, arguments)
    if not command.configured:
        return command.run(list(arguments))
    from sod.cli.app import run_configured

    return run_configured(command, list(arguments))


def usage() -> str:
    """Return the overview of the commands."""
    rows = [f"  {name:<12}{command.summary}" for name, command in COMMANDS.items()]
    return "\n".join(
        [
            "usage: sod COMMAND [options]",
            "",
            *rows,
            "",
            "`sod COMMAND --help` lists its options, `sod --version` prints the version.",
        ]
    )


def fail(error: Exception) -> int:
    """Print a user's mistake as one line on standard error and return exit code 2."""
    text = str(error)
    if text.startswith("Caught "):  # raised in a loader's worker: the last line is the message
        text = text.strip().splitlines()[-1].partition(": ")[2]
    sys.stderr.write(f"error: {one_line(text)}\n")
    show_traceback(error)
    return 2
