"""The progress of a loop in the terminal: steps done and in all, time left, loss, device."""

from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import ProgressBar
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


class StepProgress(ProgressBar):
    """One bar for a whole training in optimiser steps, or for a whole evaluation in batches.

    Args:
        console: Where it is drawn; None: standard error.
    """

    def __init__(self, console: Console | None = None) -> None:
        super().__init__()
        self.console = console or Console(stderr=True)
        self._shown = True
        self._progress: Progress | None = None

    def disable(self) -> None:
        """Draw nothing: another process does."""
        self._shown = False

    def enable(self) -> None:
        """Draw the bar."""
        self._shown = True

    def print(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - rich's own arguments
        """Print a line above the bar."""
        self.console.print(*args, **kwargs)

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Begin, in a resumed run with the steps that are done."""
        self._begin("training", trainer.estimated_stepping_batches, "steps", trainer)
        self._show(trainer.global_step)

    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:  # noqa: ANN401
        """Show the steps, and the terms that a method logs for the bar."""
        metrics = trainer.progress_bar_metrics.items()
        shown = [f"{k.removeprefix('train/')} {v:.4g}" for k, v in metrics if isinstance(v, float)]
        self._show(trainer.global_step, ", ".join(shown))

    def on_test_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Begin with the batches of all datasets."""
        self._begin("evaluating", sum(trainer.num_test_batches), "batches", trainer)

    def on_test_batch_end(self, *_: Any) -> None:  # noqa: ANN401
        """Show one batch more."""
        self._advance()

    def on_predict_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Begin with the batches of all images."""
        self._begin("predicting", sum(trainer.num_predict_batches), "batches", trainer)

    def on_predict_batch_end(self, *_: Any) -> None:  # noqa: ANN401
        """Show one batch more."""
        self._advance()

    def teardown(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Leave the bar as it is."""
        self._end()

    def on_exception(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException
    ) -> None:
        """Leave the bar as it is."""
        self._end()

    def _begin(self, what: str, total: float, unit: str, trainer: pl.Trainer) -> None:
        self._end()
        if not self._shown:
            return
        columns = [
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("{task.fields[unit]}, left"),
            TimeRemainingColumn(compact=True),
            TextColumn("{task.fields[note]}"),
        ]
        self._progress = Progress(*columns, console=self.console)
        known = None if total == float("inf") else total
        device = str(trainer.strategy.root_device)
        self._progress.add_task(f"{what} on {device}", total=known, unit=unit, note="")
        self._progress.start()

    def _show(self, completed: int, note: str = "") -> None:
        if self._progress is not None:
            self._progress.update(self._progress.task_ids[0], completed=completed, note=note)

    def _advance(self) -> None:
        if self._progress is not None:
            self._progress.advance(self._progress.task_ids[0])

    def _end(self) -> None:
        if self._progress is not None:
            self._progress.stop()
            self._progress = None
