"""The position of a training in its epochs, as checkpoints hold it.

Lightning's loops count what is ready, started, processed and completed, and a resumed run reads
from the counts where it was. What they are depends on the hook that saves: at the end of a run that
stopped within an epoch, they say that the epoch is over. Here they are those of the moment right
after a step, for a checkpoint of any moment until the next step: in the middle of an epoch, at its
end, and at the end of the run.
"""

from copy import deepcopy
from typing import Any

import pytorch_lightning as pl

Counts = dict[str, Any]


def position_after_step(trainer: pl.Trainer) -> Counts:
    """Return the state of the loops right after a step, in ``on_train_batch_end``."""
    state: Counts = deepcopy(trainer.fit_loop.state_dict())
    return step_done(state, trainer.current_epoch)


def step_done(state: Counts, epoch: int) -> Counts:
    """Return the counts for a step of an epoch that is done, with its validation if one is due."""
    counts = {"ready": epoch + 1, "started": epoch + 1, "processed": epoch, "completed": epoch}
    progress = state["epoch_loop.batch_progress"]
    return {
        **state,
        "epoch_progress": {"total": dict(counts), "current": dict(counts)},
        "epoch_loop.batch_progress": _completed(progress, behind=1),
        "epoch_loop.val_loop.batch_progress": _validation(0),
    }


def validation_pending(state: Counts) -> Counts:
    """Return the counts of :func:`step_done` for a step whose validation is still to be run."""
    return {
        **state,
        "epoch_loop.batch_progress": _completed(state["epoch_loop.batch_progress"], behind=0),
        "epoch_loop.val_loop.batch_progress": _validation(1),
    }


def is_validation_pending(state: Counts) -> bool:
    """Return whether a position is one of :func:`validation_pending`."""
    total = state["epoch_loop.val_loop.batch_progress"]["total"]
    return bool(total["started"] > total["processed"])


def epoch_of(state: Counts) -> int:
    """Return the epoch of a position."""
    return int(state["epoch_progress"]["current"]["processed"])


def validates_next(trainer: pl.Trainer) -> bool:
    """Return whether a validation follows the step that has just been done.

    Where it is due and there are no images, Lightning skips it.
    """
    loop = trainer.fit_loop
    assert loop._data_fetcher is not None  # noqa: S101 - narrows the type
    if not loop.epoch_loop._should_check_val_fx(loop._data_fetcher):
        return False
    trainer.validating = True
    loop.epoch_loop.val_loop.setup_data()  # as it does next
    trainer.training = True
    return not loop.epoch_loop.val_loop.skip


def can_validate(trainer: pl.Trainer) -> bool:
    """Return whether there are images to validate on, before the loops have read any."""
    data = trainer.datamodule  # type: ignore[attr-defined]  # set by `fit`
    return trainer.enable_validation and any(map(len, data.val_dataloader()))


def _completed(progress: Counts, behind: int) -> Counts:
    """Return the counts of batches: ``behind`` of those that were processed are not completed.

    Lightning completes a step after ``on_train_batch_end``; one behind is the usual checkpoint.
    """
    counts = {
        kind: {**progress[kind], "completed": progress[kind]["processed"] - behind}
        for kind in ("total", "current")
    }
    return {**progress, **counts}


def _validation(started: int) -> Counts:
    """Return the counts of a validation: none, or one that was cut off in its first batch."""
    counts = {"ready": started, "started": started, "processed": 0, "completed": 0}
    return {"total": dict(counts), "current": dict(counts), "is_last_batch": False}
