"""The best checkpoint of a run: which one it is, and how its score is remembered."""

from pathlib import Path
from typing import Any

import pytorch_lightning as pl

from sod.core.errors import SodError
from sod.core.structure import faults
from sod.engine.checkpoint import read_checkpoint


class BestScore:
    """The best value of a figure so far.

    Args:
        figure: The name under which it is logged.
        mode: Whether the largest (``max``) or the smallest (``min``) is the best.
    """

    def __init__(self, figure: str, mode: str) -> None:
        self.figure, self.mode = figure, mode
        self.value: float | None = None
        self.step = 0

    def offer(self, value: float, step: int) -> bool:
        """Return whether a value is better than all before, and remember it then."""
        better = self.value is None or (
            value > self.value if self.mode == "max" else value < self.value
        )
        if better and value == value:  # not NaN
            self.value, self.step = value, step
            return True
        return False

    def state(self) -> dict[str, Any]:
        """Return figure, value and step as primitives."""
        return {"figure": self.figure, "value": self.value, "step": self.step}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a state of the same figure; that of another one is no measure.

        Raises:
            SodError: It is no such state.
        """
        fault = next(
            faults(state, {"figure": "", "value": 0.0, "step": 0} if state else {}, "best"), None
        )
        if fault is not None:
            raise SodError(f"{fault}: the checkpoint is damaged.")
        if state.get("figure") == self.figure and state.get("value") is not None:
            self.offer(float(state["value"]), int(state["step"]))

    def adopt(self, path: Path) -> None:
        """Go on from the score of a ``best.ckpt`` that is better than what is known.

        A run may have been killed after it wrote ``best.ckpt`` and before it wrote that down.
        """
        if path.is_file():
            try:
                self.restore(read_checkpoint(path).get("best", {}))
            except SodError as error:
                raise SodError(f"{path}: {error} Move it away to go on without it.") from error

    def measured(self, trainer: pl.Trainer) -> float | None:
        """Return the value that the validation has just logged, or None."""
        value = trainer.callback_metrics.get(self.figure)
        return None if value is None else float(value)
