"""The TensorBoard log of a run."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import yaml
from pytorch_lightning.callbacks import Callback
from pytorch_lightning.loggers import TensorBoardLogger
from pytorch_lightning.utilities import rank_zero_only

from sod.core.files import write_text
from sod.engine.method import primitive

POINTS = 50
"""Points of a curve, at least, where a run has as many steps."""


class RunLog(TensorBoardLogger):
    """The scalars and pictures of a run; a resumed run replaces what was logged after its start.

    Args:
        folder: The folder of the run; the log is in ``tensorboard``.
        first_step: Optimiser steps that are done when the run starts.
    """

    def __init__(self, folder: Path, first_step: int = 0) -> None:
        super().__init__(folder, name="", version="tensorboard", purge_step=first_step)
        self._last: dict[str, int] = {}

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Log scalars, each once in a step: :func:`log_step` logs before Lightning does."""
        new = {name: value for name, value in metrics.items() if self._last.get(name) != step}
        if step is not None:
            self._last.update(dict.fromkeys(new, step))
        super().log_metrics(new, step)

    def log_hyperparams(self, params: Any, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401
        """Log a method's arguments as primitives, so that ``hparams.yaml`` can be read."""
        plain = {name: _listed(primitive(value)) for name, value in dict(params).items()}
        super().log_hyperparams(plain, *args, **kwargs)

    @rank_zero_only
    def save(self) -> None:
        """Bring what was logged to disk, and ``hparams.yaml`` if it is not there.

        Raises:
            SodError: The file cannot be written.
        """
        self.experiment.flush()
        path = Path(self.log_dir) / self.NAME_HPARAMS_FILE
        if self.hparams and not path.is_file():
            write_text(path, yaml.safe_dump(dict(self.hparams), sort_keys=False))


class LogInterval(Callback):
    """Logs short runs more often than every 50 steps, where no interval is configured."""

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Choose the interval by the length of the run."""
        interval = min(50, trainer.estimated_stepping_batches // POINTS)
        trainer.log_every_n_steps = max(1, int(interval))  # type: ignore[attr-defined]


def _listed(value: Any) -> Any:  # noqa: ANN401 - an argument as primitives
    """Return a value with lists for tuples, as YAML knows no others."""
    if isinstance(value, dict):
        return {key: _listed(item) for key, item in value.items()}
    return [_listed(item) for item in value] if isinstance(value, (list, tuple)) else value


@contextmanager
def quiet_writer() -> Iterator[None]:
    """Let the thread that writes the log fail without a traceback: the trainer gets its error."""
    former = threading.excepthook

    def report(failed: threading.ExceptHookArgs) -> None:
        if not isinstance(failed.exc_value, OSError):
            former(failed)

    threading.excepthook = report
    try:
        yield
    finally:
        threading.excepthook = former


def log_step(trainer: pl.Trainer) -> None:
    """Log the step that has just been done, in ``on_train_batch_end``.

    Lightning does so after all hooks, hence after a checkpoint of the step is written.
    """
    trainer._logger_connector.update_train_step_metrics()
