"""The threads beside a loop of the trainer: their number is decided when the loop begins."""

import os

import pytorch_lightning as pl

from sod.core.background import Background, default_threads
from sod.core.errors import SodError


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

    def begin(self, trainer: pl.Trainer) -> None:
        """Choose the number of threads for a loop of this trainer."""
        if self._chosen is None:
            here = int(os.environ.get("LOCAL_WORLD_SIZE", trainer.world_size))
            device, precision = trainer.strategy.root_device, str(trainer.precision)
            self.threads = default_threads(device, precision, here)
