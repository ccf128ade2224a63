"""The program in a forked child, which needs no new imports, and moments at which it is killed."""

import os
import resource
import signal
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import sod.cli.app  # noqa: F401 - imported once, not by every child
from sod.cli import main

Prepare = Callable[[], None]
"""Called in the child before the program."""

FILE_EVENTS = {"open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "shutil.rmtree"}
"""Audit events of Python that concern files."""


class Ended(NamedTuple):
    """How a child ended.

    Args:
        code: Its exit code; minus the signal that killed it.
        output: What it printed.
        seconds: How long it took.
    """

    code: int
    output: str
    seconds: float


def start(words: Sequence[str], log: Path, prepare: Prepare | None = None) -> int:
    """Fork a child that runs the program, in a process group of its own; return its id."""
    child = os.fork()
    if not child:
        os._exit(_run(words, log, prepare))
    return child


def finish(child: int, log: Path, limit: float = 900.0) -> Ended:
    """Wait until a child has ended; one that does not is killed, with code -9 and a note."""
    begin = time.monotonic()
    while time.monotonic() - begin < limit:
        ended, status, _ = os.wait4(child, os.WNOHANG)
        if ended:
            seconds = time.monotonic() - begin
            return Ended(os.waitstatus_to_exitcode(status), _text(log), seconds)
        time.sleep(0.005)  # between two looks at a child
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return Ended(-9, f"{_text(log)}\ndid not end within {limit:.0f} s", limit)


def run(words: Sequence[str], log: Path, prepare: Prepare | None = None) -> Ended:
    """Run the program in a child until it has ended."""
    return finish(start(words, log, prepare), log)


def die_at_file_event(number: int) -> Prepare:
    """Kill the child by SIGKILL before its file operation of that number."""
    return at_file_event(number, lambda: os.kill(os.getpid(), signal.SIGKILL))


def at_file_event(number: int, act: Callable[[], None]) -> Prepare:
    """Do something before the child's file operation of that number."""

    def prepare() -> None:
        count = 0

        def hook(event: str, _: tuple[object, ...]) -> None:
            nonlocal count
            if event in FILE_EVENTS:
                count += 1
                if count == number:
                    act()

        sys.addaudithook(hook)

    return prepare


def die_after_cpu_seconds(seconds: float) -> Prepare:
    """Kill the child, without a chance to react, after so many seconds of computing."""

    def prepare() -> None:
        signal.signal(signal.SIGPROF, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_PROF, seconds)

    return prepare


def count_events(to: Path) -> Prepare:
    """Write the number of file operations and the CPU seconds of the child to a file."""

    def prepare() -> None:
        count = 0

        def hook(event: str, _: tuple[object, ...]) -> None:
            nonlocal count
            count += event in FILE_EVENTS

        sys.addaudithook(hook)
        _AT_END.append(lambda: to.write_text(f"{count} {_cpu_seconds()}"))

    return prepare


_AT_END: list[Callable[[], object]] = []


def _cpu_seconds() -> float:
    return sum(resource.getrusage(resource.RUSAGE_SELF)[:2])


def _run(words: Sequence[str], log: Path, prepare: Prepare | None) -> int:
    """Run the program with its output in a file; return the exit code."""
    os.setpgid(0, 0)
    file = os.open(log, os.O_CREAT | os.O_WRONLY | os.O_TRUNC)
    os.dup2(file, 1)
    os.dup2(file, 2)
    sys.argv = ["sod", *words]
    try:
        if prepare is not None:
            prepare()
        code = main(words)
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else int(error.code is not None)
    except BaseException:
        traceback.print_exc()
        code = 99
    for act in _AT_END:
        act()
    sys.stdout.flush()
    sys.stderr.flush()
    return code


def _text(log: Path) -> str:
    return log.read_text(encoding="utf-8", errors="replace") if log.is_file() else ""
