"""The checkpoints of a run: ``last.ckpt`` to resume from, and ``best.ckpt``.

``last.ckpt`` is written every ``save_every`` steps, before and after each validation, at the end,
and when the run is told to stop. A checkpoint before a validation says that it is pending: a
resumed run begins with it. After a validation, first ``best.ckpt`` is written and then
``last.ckpt`` with its score. A run that is killed in between repeats the validation, which gives
the same ``best.ckpt``.
"""

from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Checkpoint

from sod.core.stopping import STOP, Interrupted
from sod.engine.best import BestScore
from sod.engine.log import log_step
from sod.engine.position import (
    Counts,
    can_validate,
    epoch_of,
    is_validation_pending,
    position_after_step,
    step_done,
    validates_next,
    validation_pending,
)


class RunCheckpoints(Checkpoint):
    """Writes the checkpoints of a run, and ends it when a signal asked for that.

    Args:
        folder: Where to.
        save_every: Optimiser steps between two writes of ``last.ckpt``.
        best: The score that selects ``best.ckpt``; None: none is written.
        trained_on: ``data.train``, which both files record.
    """

    def __init__(
        self, folder: Path, save_every: int, best: BestScore | None, trained_on: str | None
    ) -> None:
        self.folder, self.save_every, self.best = folder, save_every, best
        self.trained_on = trained_on
        self._position: Counts | None = None
        self._saved = self._step = -1
        self._extended = self._trial = False

    @property
    def last(self) -> Path:
        """The file to resume from."""
        return self.folder / "last.ckpt"

    def state_dict(self) -> dict[str, Any]:
        """Return the best score."""
        return {} if self.best is None else self.best.state()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from the best score, or from that of a better ``best.ckpt`` in the folder."""
        if self.best is not None:
            self.best.restore(state_dict)
            self.best.adopt(self.folder / "best.ckpt")

    def on_load_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Take over the position."""
        self._position = checkpoint["loops"]["fit_loop"]
        self._step = int(checkpoint["global_step"])

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Let a run that ended before its last validation run that: at its end it would not."""
        pending = self._position is not None and is_validation_pending(self._position)
        if pending and self._step == trainer.max_steps and can_validate(trainer):
            trainer.fit_loop.epoch_loop.max_steps += 1
            self._extended = True

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Store the position after the last step, and what was trained on."""
        checkpoint["trained_on"] = self.trained_on
        if self._position is not None:
            checkpoint["loops"]["fit_loop"] = self._position
            checkpoint["epoch"] = epoch_of(self._position)

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Let signals wait for the end of a step from now on."""
        self._trial = bool(getattr(trainer, "fast_dev_run", False))
        STOP.deferred = True

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,  # noqa: ANN401 - Lightning's own signature
        batch: Any,  # noqa: ANN401
        batch_idx: int,
    ) -> None:
        """Save if that is due, and stop if that was asked for, after an optimiser step.

        Raises:
            Interrupted: A signal asked one of the processes to stop.
        """
        if trainer.global_step == self._step:
            return  # gradients are accumulated, which no checkpoint holds
        self._step = trainer.global_step
        self._position = position_after_step(trainer)
        validates = validates_next(trainer)
        if validates:
            self._position = validation_pending(self._position)
        signum = _signal_of_any_process(trainer)
        if validates or signum or self._step % self.save_every == 0:
            log_step(trainer)
            self._save_last(trainer)
        if signum:
            raise Interrupted(signum, self._advice(trainer))

    def on_validation_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:  # noqa: ANN401
        """Stop if that was asked for: the validation is pending in ``last.ckpt``.

        Raises:
            Interrupted: A signal asked this process to stop.
        """
        if STOP.signum and not trainer.sanity_checking:
            raise Interrupted(STOP.signum, self._advice(trainer))

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write ``best.ckpt`` if this is the best, and ``last.ckpt`` with the score.

        Raises:
            Interrupted: A signal asked one of the processes to stop.
        """
        if trainer.sanity_checking or self._trial or self._position is None:
            return
        if self._extended:
            trainer.fit_loop.epoch_loop.max_steps -= 1
            self._extended = False
        self._position = step_done(self._position, epoch_of(self._position))
        value = None if self.best is None else self.best.measured(trainer)
        if self.best is not None and value is not None and self.best.offer(value, self._step):
            self._save_best(trainer, self.best)
        self._save_last(trainer)
        signum = _signal_of_any_process(trainer)
        if signum:
            raise Interrupted(signum, self._advice(trainer))

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write the final state."""
        if self._saved != self._step:
            self._save_last(trainer)
        STOP.deferred = False

    def on_exception(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException
    ) -> None:
        """Let signals end the program at once again; say where a run that did not wait stands."""
        STOP.deferred = False
        if isinstance(exception, Interrupted) and not exception.advice and self._saved > 0:
            exception.advice = f"{self._saved} steps are saved in {self.last}"

    def _save_best(self, trainer: pl.Trainer, best: BestScore) -> None:
        """Write the weights with their score."""
        checkpoint = {
            "state_dict": trainer.strategy.lightning_module_state_dict(),
            "global_step": self._step,
            "pytorch-lightning_version": version("pytorch-lightning"),
            "trained_on": self.trained_on,
            "best": best.state(),
        }
        trainer.lightning_module.on_save_checkpoint(checkpoint)
        trainer.strategy.save_checkpoint(checkpoint, self.folder / "best.ckpt")
        trainer.strategy.barrier()

    def _save_last(self, trainer: pl.Trainer) -> None:
        if self._trial:
            return
        for logger in trainer.loggers:
            logger.save()  # what is logged up to a checkpoint is never lost
        trainer.save_checkpoint(self.last)
        self._saved = self._step

    def _advice(self, trainer: pl.Trainer) -> str:
        total = trainer.estimated_stepping_batches - self._extended
        of = "" if total == float("inf") else f" of {int(total)}"
        return f"{self._step}{of} steps are done and saved in {self.last}"


def _signal_of_any_process(trainer: pl.Trainer) -> int:
    """Return the signal that asked one of the processes to stop, or 0; all of them call this."""
    if trainer.world_size == 1:
        return STOP.signum
    signum = torch.tensor(STOP.signum, device=trainer.strategy.root_device)
    return int(trainer.strategy.reduce(signum, reduce_op="max"))
