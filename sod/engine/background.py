"""The threads beside a loop of the trainer: their number is decided when the loop begins."""

import os

import pytorch_lightning as pl

from sod.core.background import MOST, Background, cpu_share, default_threads
from sod.core.errors import SodError
from sod.engine.later import may_predict_later
from sod.engine.method import Method


class TrainerBackground(Background):
    """Threads that do the work which follows a prediction, in a test or predict loop.

    Args:
        threads: Their number; None: :func:`sod.core.background.default_threads` of the trainer.

    Raises:
        SodError: ``threads`` is negative.
    """

    def __init__(self, threads: int | None = None) -> None:
        if threads is not None and threads < 0:
            raise SodError(f"--threads: {threads} is negative; 0 works in the main thread")
        super().__init__(threads or 0)
        self._chosen = threads
        self._method: Method | None = None

    def begin(self, trainer: pl.Trainer, reader: pl.Callback, hook: str) -> None:
        """Choose the number of threads for a loop of this trainer, and what they do.

        Where :func:`sod.engine.later.may_predict_later` allows it, two threads or more also
        predict; by default these are as many as the CPUs then.

        Args:
            trainer: Runs the loop.
            reader: The callback that hands in the work.
            hook: Its method that does so.
        """
        here = int(os.environ.get("LOCAL_WORLD_SIZE", trainer.world_size))
        if self._chosen is None:
            device, precision = trainer.strategy.root_device, str(trainer.precision)
            self.threads = default_threads(device, precision, here)
        if not self.threads or not may_predict_later(trainer, reader, hook):
            return
        if self._chosen is None:
            self.threads = min(cpu_share(here), MOST)
        if self.threads > 1 and isinstance(trainer.lightning_module, Method):
            self._method = trainer.lightning_module
            self._method.predicts_later = True

    def stop(self) -> None:
        """End the threads; works that have not begun are dropped."""
        super().stop()
        if self._method is not None:
            self._method.predicts_later = False
            self._method = None
