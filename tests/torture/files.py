"""Mutated files of every kind that the program reads: each is read or refused in one line.

``python -m torture.files --count 10000 --out DIR`` prints a table and keeps the files that were
neither. A fault is any other error, a file that takes longer than ``LIMIT`` seconds, a process or a
connection that reading started, and a message of several lines.
"""

import argparse
import logging
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from sod.core.errors import SodError
from torture.kinds import Kind, kinds

LIMIT = 20
"""Seconds that a file may take."""

STARTS = ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.fork", "socket.connect")


@dataclass
class Outcome:
    """What became of the files of one kind.

    Args:
        read: Number of files that were read.
        refused: Number of those that were refused in one line.
        faults: The file and the error of each other one.
        slowest: Seconds of the slowest file.
    """

    read: int = 0
    refused: int = 0
    faults: list[tuple[bytes, str, str]] = field(default_factory=list)
    slowest: float = 0.0


class TooSlow(BaseException):
    """A file took longer than the limit."""


def run(count: int, seed: int, chosen: list[Kind] | None = None) -> dict[str, Outcome]:
    """Read mutated files and return what became of them, by kind.

    Args:
        count: Number of files, shared by the kinds: configs, which take longest, get a tenth.
        seed: Seed of everything.
        chosen: Kinds of files; None: all.
    """
    outcomes: dict[str, Outcome] = {}
    selected = chosen or kinds()
    for kind in selected:
        rng, outcome = Random(f"{seed} {kind.name}"), Outcome()
        share = (
            count // 10 if kind.name == "configs" else count * 9 // 10 // max(len(selected) - 1, 1)
        )
        with tempfile.TemporaryDirectory() as folder:
            for _ in range(max(share, 1)):
                _try(kind, kind.make(rng, Path(folder)), outcome)
        outcomes[kind.name] = outcome
    return outcomes


def table(outcomes: dict[str, Outcome]) -> str:
    """Return the outcomes as a Markdown table."""
    rows = [
        f"| {name} | {o.read + o.refused + len(o.faults)} | {o.read} | {o.refused} | "
        f"{len(o.faults)} | {o.slowest:.1f} |"
        for name, o in outcomes.items()
    ]
    head = [
        "| files | tried | read | refused in one line | faults | slowest (s) |",
        "|" + "---|" * 6,
    ]
    return "\n".join([*head, *rows])


def _try(kind: Kind, path: Path, outcome: Outcome) -> None:
    start = time.monotonic()
    try:
        with _watched() as started:
            kind.read(path)
        outcome.read += 1
        fault = ""
    except SodError as error:
        fault = f"several lines: {error}" if "\n" in str(error) else ""
        outcome.refused += not fault
    except (Exception, TooSlow) as error:
        fault = "".join(traceback.format_exception(error)[-3:])
    if started:
        fault = f"started {started}"
    if fault:
        outcome.faults.append((path.read_bytes(), path.suffix, fault))
    outcome.slowest = max(outcome.slowest, time.monotonic() - start)


_STARTED: list[str] = []


def _audit(event: str, _: object) -> None:
    if event in STARTS:
        _STARTED.append(event)


@contextmanager
def _watched() -> Iterator[list[str]]:
    """Raise :class:`TooSlow` after the limit, and list what the block starts."""

    def stop(*_: object) -> None:
        raise TooSlow

    _STARTED.clear()
    previous = signal.signal(signal.SIGALRM, stop)
    signal.alarm(LIMIT)
    try:
        yield _STARTED
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, previous)


def main() -> int:
    """Run the torture, print the table and keep the files with faults."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("torture"))
    options = parser.parse_args()
    sys.addaudithook(_audit)
    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore")
    _limit_memory()
    outcomes = run(options.count, options.seed)
    sys.stdout.write(table(outcomes) + "\n")
    faults = [fault for outcome in outcomes.values() for fault in outcome.faults]
    for number, (data, suffix, text) in enumerate(faults):
        options.out.mkdir(parents=True, exist_ok=True)
        (options.out / f"{number}{suffix}").write_bytes(data)
        (options.out / f"{number}.txt").write_text(text)
    return 1 if faults else 0


def _limit_memory() -> None:
    """Let absurd sizes fail at 8 GiB, as they do on any machine at some size."""
    import resource

    resource.setrlimit(resource.RLIMIT_AS, (8 << 30, resource.getrlimit(resource.RLIMIT_AS)[1]))


if __name__ == "__main__":
    sys.exit(main())
