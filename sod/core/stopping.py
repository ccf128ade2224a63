"""Signals that end a command: it finishes what it is in the middle of, and says so."""

import _thread
import multiprocessing
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = [
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGUSR1") if hasattr(signal, name)
]
"""Ctrl-C, the signal of schedulers and of ``kill``, and the one that SLURM's ``--signal`` sends."""

PATIENCE = 2.0
"""Seconds after which a repeated signal is not the same request: process groups get it twice."""

LAST = 30.0
"""Seconds that a worker lives on after SIGTERM, at most."""


class Interrupted(SystemExit):
    """The command was told to end by a signal; the exit code is 128 plus its number.

    Args:
        signum: The signal.
        advice: One sentence about what was saved and how to go on.
    """

    def __init__(self, signum: int, advice: str = "") -> None:
        self.exit_code = 128 + signum
        super().__init__(self.exit_code)
        self.signum, self.advice = signum, advice

    def __str__(self) -> str:
        """Return one line for the user."""
        line = f"stopped by {signal.Signals(self.signum).name}"
        return f"{line}: {self.advice}" if self.advice else line


class StopRequest:
    """Whether a signal asked this process to stop.

    As a rule, a signal raises :class:`Interrupted` at once. While it is deferred, it is only noted,
    and whoever defers it looks at :attr:`signum`; a second signal does not wait any more.

    Attributes:
        signum: The first signal that came; 0: none.
        deferred: Whether signals wait.
    """

    def __init__(self) -> None:
        self.signum = 0
        self.deferred = False
        self._since = 0.0
        self._timer: threading.Timer | None = None

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Handle the signals in the ``with`` block; the former handlers return after it."""
        if threading.current_thread() is not threading.main_thread():
            yield  # only the main thread may handle signals
            return
        self.signum, self.deferred = 0, False
        former = {signum: signal.signal(signum, self._handle) for signum in SIGNALS}
        ignored = sys.unraisablehook
        sys.unraisablehook = lambda lost: self._repeat() if _is_request(lost) else ignored(lost)
        try:
            yield
        finally:
            sys.unraisablehook = ignored
            if self._timer is not None:
                self._timer.cancel()
            for signum, handler in former.items():
                signal.signal(signum, handler)

    def _handle(self, signum: int, frame: FrameType | None) -> None:
        again = self.signum and time.monotonic() - self._since > PATIENCE
        if not self.signum:
            self.signum, self._since = signum, time.monotonic()
        if again or not self.deferred:
            raise Interrupted(self.signum)

    def _repeat(self) -> None:
        """Ask again soon: Python drops what is raised while it frees an object."""
        self._timer = threading.Timer(0.01, _thread.interrupt_main, [self.signum])
        self._timer.daemon = True
        self._timer.start()


def _is_request(lost: "sys.UnraisableHookArgs") -> bool:
    return isinstance(lost.exc_value, Interrupted)


STOP = StopRequest()
"""The request of this process."""


def end_workers(from_thread: bool = False) -> None:
    """Kill the worker processes of this one, before it ends: they do not react to signals.

    Args:
        from_thread: The caller is not the main thread.
    """
    if hasattr(signal, "SIGCHLD") and not from_thread:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # a loader takes their end for a crash
    for worker in multiprocessing.active_children():
        worker.kill()
        worker.join(1.0)


def outlive_signals() -> None:
    """Let a worker process outlive signals to its process group: its parent ends it.

    The parent finishes its step with the batches of its workers. A worker that was terminated and
    has not ended for ``LAST`` seconds is killed.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    for signum in SIGNALS:
        signal.signal(signum, signal.SIG_IGN)
    if hasattr(signal, "setitimer"):
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.signal(signal.SIGTERM, lambda *_: signal.setitimer(signal.ITIMER_REAL, LAST))
