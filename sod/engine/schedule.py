"""Runs that are made longer or shorter when they are resumed."""

from collections.abc import Callable
from math import cos, pi
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback
from torch.optim.lr_scheduler import CosineAnnealingLR

from sod.core.errors import SodError
from sod.core.structure import faults


class RunLength(Callback):
    """Lets a cosine fall over the new length of a resumed run, and says so.

    Rates that do not depend on the length go on, so that a run that is extended equals one that was
    as long from the start.

    Args:
        report: Prints one line for the user.
    """

    def __init__(self, report: Callable[[str], None]) -> None:
        self.report = report
        self._before: float | None = None
        self._now: float | None = None

    def state_dict(self) -> dict[str, Any]:
        """Return the length of the run."""
        return {"steps": self._now}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Remember the length that the run had.

        Raises:
            SodError: It is no number.
        """
        for fault in faults(state_dict, {"steps": 0.0}, "callbacks.RunLength"):
            raise SodError(f"is damaged: {fault}.")
        self._before = state_dict["steps"]

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Measure the length that the run has now."""
        self._now = float(trainer.estimated_stepping_batches)

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Adapt the schedules, which have been restored, to that length."""
        before, now = self._before, self._now
        if before is None or now is None or before == now:
            return
        for config in trainer.lr_scheduler_configs:
            if isinstance(config.scheduler, CosineAnnealingLR):
                stretch(config.scheduler, int(now - before))
                self.report(
                    f"the learning rate falls to zero over {now:.0f} steps now, no longer over "
                    f"{before:.0f}: the result is not that of {now:.0f} steps at once"
                )


def stretch(schedule: CosineAnnealingLR, steps: int) -> None:
    """Make a cosine longer by some steps (shorter if negative), from its present step on."""
    schedule.T_max = max(schedule.T_max + steps, schedule.last_epoch, 1)
    share = (1 + cos(pi * schedule.last_epoch / schedule.T_max)) / 2
    rates = [schedule.eta_min + share * (rate - schedule.eta_min) for rate in schedule.base_lrs]
    for group, rate in zip(schedule.optimizer.param_groups, rates, strict=True):
        group["lr"] = rate
    schedule._last_lr = rates
