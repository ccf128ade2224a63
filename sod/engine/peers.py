"""Processes of one run watch each other: if one fails, all end with its message.

Without that, a process whose peer has failed ends with the words of the communication library, or
waits for it until a timeout. A thread in each process tells the others once a second that it is
alive, over a connection of its own to the store of the process group, and looks for the failure of
another one.
"""

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import NamedTuple

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback
from pytorch_lightning.strategies.launchers import subprocess_script
from torch.distributed import TCPStore  # type: ignore[attr-defined]

from sod.core.distributed import is_distributed, rank_and_world_size
from sod.core.errors import SodError
from sod.core.locks import remove_locks
from sod.core.stopping import Interrupted, end_workers

BEAT = 1.0
"""Seconds between two signs of life."""

SILENCE = 25.0
"""Seconds without one after which a process counts as dead."""

GRACE = 8.0
"""Seconds in which the main thread can end by itself when another process has failed."""


class Failure(NamedTuple):
    """Why a process ended.

    Args:
        rank: The process.
        code: Its exit code.
        text: Its message.
    """

    rank: int
    code: int
    text: str

    def error(self) -> BaseException:
        """Return what another process raises."""
        if self.code > 128:
            return Interrupted(self.code - 128, self.text)
        named = "" if self.text.startswith("process ") else f" (process {self.rank})"
        return SodError(f"{self.text}{named}")


class Peers:
    """The processes of this run.

    Attributes:
        children: Those that this one started.
        failure: The first failure that is known.
    """

    def __init__(self) -> None:
        self.children: list[subprocess.Popen[bytes]] = []
        self.failure: Failure | None = None
        self._store: TCPStore | None = None
        self._thread: threading.Thread | None = None
        self._left = threading.Event()
        self._last: dict[int, tuple[bytes, float]] = {}

    def adopt(self, children: "list[subprocess.Popen[bytes]]") -> None:
        """Watch the processes that Lightning has just started."""
        self.children = children
        self._start()

    def join(self) -> None:
        """Connect to the others, once the process group exists."""
        if self._store is not None or not is_distributed() or rank_and_world_size()[1] == 1:
            return
        address, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
        limit = timedelta(seconds=SILENCE)
        store = TCPStore(address, port, timeout=limit, wait_for_workers=False)
        rank, _ = rank_and_world_size()
        store.set(f"sod/who/{rank}", f"{os.getpid()} on {socket.gethostname()}")
        self._store = store
        self._start()

    def tell(self, failure: Failure) -> None:
        """Tell the others why this process ends, and wait a little until they know."""
        if self._store is None or self.failure is not None:
            return
        self.failure = failure
        with suppress(RuntimeError):
            self._store.set("sod/failed", json.dumps(failure))
            self._wait_until_read("failed")

    def leave(self) -> None:
        """Tell the others that this process has done its part."""
        if self._store is None:
            return
        self._left.set()
        with suppress(RuntimeError):
            rank, _ = rank_and_world_size()
            self._store.set(f"sod/done/{rank}", "")
            self._store.set(f"sod/read/done/0/{rank}", "")  # it looks no more
            if rank == 0:  # its end is the end of the store
                self._wait_until_read("done/0")
        self._store = None

    def agree(self, error: BaseException) -> BaseException:
        """Return what this process is to raise: its own error, or that of the first to fail."""
        rank = rank_and_world_size()[0]
        if isinstance(error, Exception) and is_distributed() and _is_communication(error):
            failure = self.wait_for_failure()
            return error if failure is None else failure.error()
        if isinstance(error, Interrupted):
            self.tell(Failure(rank, error.exit_code, error.advice))
        elif isinstance(error, SodError):
            self.tell(Failure(rank, 2, str(error)))
        else:
            text = " ".join(str(error).split())
            self.tell(Failure(rank, 1, f"{type(error).__name__}: {text}"))
        return error

    def wait_for_failure(self) -> Failure | None:
        """Return the failure of another process, which may become known soon, or None."""
        end = time.monotonic() + SILENCE + 2 * BEAT
        while self._store is not None and self.failure is None and time.monotonic() < end:
            time.sleep(0.05)
        return self.failure

    def end_children(self) -> None:
        """Wait until the processes that this one started have ended, or kill them."""
        for child in self.children:
            try:
                child.wait(GRACE)
            except subprocess.TimeoutExpired:
                child.kill()

    def _start(self) -> None:
        if self._thread is None or not self._thread.is_alive():
            self._left.clear()
            self._thread = threading.Thread(target=self._watch, name="peers", daemon=True)
            self._thread.start()

    def _watch(self) -> None:
        """Give signs of life and look for those of the others, until this process leaves."""
        while not self._left.wait(BEAT):
            try:
                failure = self.failure or self._dead_child() or self._look()
            except RuntimeError:  # the store is gone, and with it the process that has it
                failure = Failure(0, 1, "process 0 has ended without a word: it was killed")
            if failure is not None and not self._left.is_set():
                self.failure = failure
                if failure.rank == rank_and_world_size()[0]:
                    return  # this process ends by itself
                if not self._left.wait(GRACE):
                    self._end(failure)

    def _look(self) -> Failure | None:
        """Return the failure that another process told, or its silence."""
        store = self._store
        if store is None:
            return None
        rank, processes = rank_and_world_size()
        store.set(f"sod/beat/{rank}", str(time.time()))
        if store.check(["sod/failed"]):
            store.set(f"sod/read/failed/{rank}", "")
            return Failure(*json.loads(store.get("sod/failed")))
        if store.check(["sod/done/0"]):
            store.set(f"sod/read/done/0/{rank}", "")
        return next(filter(None, (self._silent(store, r) for r in range(processes))), None)

    def _silent(self, store: TCPStore, rank: int) -> Failure | None:
        if store.check([f"sod/done/{rank}"]) or not store.check([f"sod/beat/{rank}"]):
            return None
        beat, now = store.get(f"sod/beat/{rank}"), time.monotonic()
        before, since = self._last.get(rank, (b"", now))
        if beat != before:
            self._last[rank] = (beat, now)
        elif now - since > SILENCE:
            who = store.get(f"sod/who/{rank}").decode()
            return Failure(rank, 1, f"process {rank} (pid {who}) does not answer: it was killed")
        return None

    def _dead_child(self) -> Failure | None:
        """Return that of the started processes which has ended without telling why."""
        for rank, child in enumerate(self.children, start=1):
            code = child.poll()
            if code and self.failure is None and not (self._store and self._look()):
                how = f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"
                return Failure(rank, 1, f"process {rank} (pid {child.pid}) {how}")
        return None

    def _wait_until_read(self, what: str) -> None:
        """Wait until the others have read a note, for some signs of life at most."""
        rank, processes = rank_and_world_size()
        keys = [f"sod/read/{what}/{other}" for other in range(processes) if other != rank]
        end = time.monotonic() + 4 * BEAT
        while self._store and not self._store.check(keys) and time.monotonic() < end:
            time.sleep(0.05)

    def _end(self, failure: Failure) -> None:
        """End this process, whose main thread waits for one that has failed."""
        for child in self.children:
            child.kill()
        end_workers(from_thread=True)
        remove_locks()
        error = failure.error()
        sys.stderr.write(f"{error}\n" if isinstance(error, Interrupted) else f"error: {error}\n")
        sys.stderr.flush()
        os._exit(failure.code)


PEERS = Peers()
"""The processes of this run."""

# Lightning's own watcher kills the first process without a word when another one has ended.
vars(subprocess_script)["_launch_process_observer"] = PEERS.adopt


class Watch(Callback):
    """Watches the other processes from the start of a loop on."""

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Connect to them."""
        PEERS.join()


@contextmanager
def reported_to_peers() -> Iterator[None]:
    """Let all processes end with the message of the first one that fails in the ``with`` block.

    Raises:
        SodError: This or another process failed.
        Interrupted: This or another process was told to stop.
    """
    try:
        yield
    except BaseException as error:
        raised = PEERS.agree(error)
        PEERS.end_children()
        if raised is error:
            raise
        raise raised from error
    PEERS.leave()


def _is_communication(error: Exception) -> bool:
    """Return whether an error says that another process does not answer."""
    words = ("gloo", "nccl", "connection", "socket", "broken pipe")
    return isinstance(error, RuntimeError) and any(w in str(error).lower() for w in words)
