"""The program in forked processes of one run, with the variables that a launcher gives them."""

import os
import signal
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from helpers.processes import elastic, free_port

from torture.child import Prepare, start


class Ranks:
    """The processes of one run.

    Args:
        words: The command line.
        count: Their number; one needs no launcher.
        place: Folder for what they print.

    Attributes:
        codes: The exit codes of those that have ended, by rank; minus a signal that killed one.
    """

    def __init__(self, words: Sequence[str], count: int, place: Path) -> None:
        self.logs = [place / f"rank-{rank}.log" for rank in range(count)]
        port = free_port()
        self.pids = [
            start(words, log, _as_rank(rank, count, port)) for rank, log in enumerate(self.logs)
        ]
        self.codes: dict[int, int] = {}

    def wait(self, limit: float, until: Callable[[], bool] = lambda: False) -> bool:
        """Wait until all have ended or something holds; return false after ``limit`` seconds."""
        end = time.monotonic() + limit
        while not self._ended() and not until():
            if time.monotonic() > end:
                return False
            time.sleep(0.01)  # between two looks
        return True

    def send(self, signum: signal.Signals, ranks: Iterable[int]) -> None:
        """Send a signal to some of those that live."""
        for rank in ranks:
            if rank not in self.codes:
                os.kill(self.pids[rank], signum)

    def output(self, rank: int) -> str:
        """Return what one has printed."""
        log = self.logs[rank]
        return log.read_text(encoding="utf-8", errors="replace") if log.is_file() else ""

    def left(self, limit: float = 30.0) -> list[str]:
        """Kill what still lives after ``limit`` seconds, workers too, and say what that was."""
        if not self.wait(limit):
            self.send(signal.SIGKILL, range(len(self.pids)))
            self.wait(limit)
        end = time.monotonic() + limit
        while any(map(_group_lives, self.pids)) and time.monotonic() < end:
            time.sleep(0.05)
        lines = [f"a worker of process {pid} lives" for pid in self.pids if _group_lives(pid)]
        for pid in filter(_group_lives, self.pids):
            os.killpg(pid, signal.SIGKILL)
        return lines

    def _ended(self) -> bool:
        for rank, pid in enumerate(self.pids):
            if rank not in self.codes:
                ended, status = os.waitpid(pid, os.WNOHANG)
                if ended:
                    self.codes[rank] = os.waitstatus_to_exitcode(status)
        return len(self.codes) == len(self.pids)


def _as_rank(rank: int, count: int, port: int) -> Prepare | None:
    """Set what torchrun sets, in the child."""
    if count == 1:
        return None
    variables = elastic(rank, count, port)

    def prepare() -> None:
        os.environ.update(variables)

    return prepare


def _group_lives(pid: int) -> bool:
    try:
        os.killpg(pid, 0)
    except ProcessLookupError:
        return False
    return True
