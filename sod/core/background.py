"""Work on one image that threads do while the next image is predicted; results come in order."""

import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

import torch

T = TypeVar("T")

AHEAD = 2
"""Works that may wait for each thread, which bounds the memory."""

MOST = 8
"""Threads at most, if their number is not chosen."""

LARGE = 2**23
"""Pixels of all images that may wait; the work on larger ones is done at once."""


class Background:
    """Threads for the work that follows a prediction: refinement, measuring, writing.

    The results are taken in the order of the works, by the thread that hands them in, so that
    sums, lists and files do not depend on the number of threads. Each thread computes with one
    thread of its own, and the one that predicts leaves them their cores.

    Args:
        threads: Their number; with 0, a work is done when it is handed in.
    """

    def __init__(self, threads: int = 0) -> None:
        self.threads = threads
        self._pool: ThreadPoolExecutor | None = None
        self._waiting: deque[tuple[Future[Any], Callable[[Any], None], int]] = deque()
        self._pixels = 0
        self._own_threads = 0

    def submit(self, work: Callable[[], T], take: Callable[[T], None], pixels: int = 0) -> None:
        """Do some work in a thread, and take its result when those of all earlier works are taken.

        Args:
            work: What is done, without gradients.
            take: Called with the result, in this thread.
            pixels: Pixels that the work keeps in memory while it waits.

        Raises:
            Exception: What an earlier work, or ``take``, has raised.
        """
        if self.threads == 0 or pixels > LARGE:
            self.finish()
            with _one_thread():
                result = work()
            take(result)
            return
        while len(self._waiting) >= AHEAD * self.threads or self._pixels + pixels > LARGE:
            self._take_first()
        inference = torch.is_inference_mode_enabled()
        future = self._started().submit(_without_gradients, work, inference)
        self._waiting.append((future, take, pixels))
        self._pixels += pixels

    def finish(self) -> None:
        """Wait for all works and take their results.

        Raises:
            Exception: What a work, or ``take``, has raised.
        """
        while self._waiting:
            self._take_first()

    def stop(self) -> None:
        """End the threads; works that have not begun are dropped."""
        for future, _, _ in self._waiting:
            future.cancel()
        self._waiting.clear()
        self._pixels = 0
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
            torch.set_num_threads(self._own_threads)
            self._pool = None

    def _take_first(self) -> None:
        future, take, pixels = self._waiting.popleft()
        self._pixels -= pixels
        take(future.result())

    def _started(self) -> ThreadPoolExecutor:
        if self._pool is None:
            self._own_threads = torch.get_num_threads()
            self._pool = ThreadPoolExecutor(self.threads, "sod", torch.set_num_threads, (1,))
            torch.set_num_threads(max(self._own_threads - self.threads, 1))
        return self._pool


@contextmanager
def _one_thread() -> Iterator[None]:
    """Compute with one thread, as the threads do: sums depend on it in their last digits."""
    former = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(former)


def _without_gradients(work: Callable[[], T], inference: bool) -> T:
    """Do some work in the mode of the thread that handed it in: modes belong to threads."""
    with torch.inference_mode(inference), torch.no_grad():
        return work()


def cpu_share(processes: int = 1) -> int:
    """Return the number of CPUs that this process may use.

    Args:
        processes: Processes on this machine that share them.
    """
    affinity = getattr(os, "sched_getaffinity", None)
    cpus = len(affinity(0)) if affinity else (os.cpu_count() or 1)
    return cpus // max(processes, 1)


def default_threads(device: torch.device, precision: str, processes: int = 1) -> int:
    """Return the number of threads that suits a run: half of the CPUs, at most 8.

    Args:
        device: Where predictions are made. Apple's GPUs are used by one thread only.
        precision: The trainer's; ``bf16-true`` and ``16-true`` change the default dtype of all
            threads, and allow none.
        processes: Processes on this machine that share the CPUs.
    """
    if device.type not in {"cpu", "cuda"} or precision in {"bf16-true", "16-true"}:
        return 0
    return min(cpu_share(processes) // 2, MOST)
