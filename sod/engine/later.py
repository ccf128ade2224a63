"""Predictions that threads make beside each other on a CPU, by methods that allow it.

One image keeps one core busy: where the network takes longer than what follows it, the cores of the
threads that wait for it do nothing. A thread then predicts its image too.
"""

from collections.abc import Callable
from typing import Any, Generic, TypeVar

import pytorch_lightning as pl
from pytorch_lightning.callbacks import ProgressBar
from pytorch_lightning.utilities.model_helpers import is_overridden

from sod.data.dataset import AnyBatch
from sod.nn.backbones.base import Backbone

T = TypeVar("T")

PIXELS = 2**19
"""Pixels of the images that are predicted beside each other; a larger one has memory for itself."""


class Later(Generic[T]):
    """What a step returns in place of a prediction that a thread will make.

    Args:
        predict: Makes it, in any thread.
    """

    def __init__(self, predict: Callable[[], T]) -> None:
        self.now = predict


def now(outputs: Any) -> Any:  # noqa: ANN401 - what a step returned
    """Return what a step returned; a prediction for later is made."""
    return outputs.now() if isinstance(outputs, Later) else outputs


def is_small(batch: AnyBatch) -> bool:
    """Return whether a batch is one image that may be predicted beside others."""
    images = batch["images"]
    return len(images) == 1 and images[0].shape[-2] * images[0].shape[-1] <= PIXELS


def may_predict_later(trainer: pl.Trainer, reader: pl.Callback, hook: str) -> bool:
    """Return whether the predictions of a loop may be made in threads.

    So it is on a CPU in float32, if method and backbones allow it, and if nobody but the reader
    sees the predictions.

    Args:
        trainer: Runs the loop.
        reader: The callback that takes predictions for later.
        hook: Its method that gets them.
    """
    module = trainer.lightning_module
    backbones = [part for part in module.modules() if isinstance(part, Backbone)]
    others = (c for c in trainer.callbacks if c is not reader and not isinstance(c, ProgressBar))  # type: ignore[attr-defined]
    return (
        trainer.strategy.root_device.type == "cpu"
        and str(trainer.precision) == "32-true"
        and bool(getattr(module, "concurrent", False))
        and all(part.concurrent and part.cache is None for part in backbones)
        and not any(is_overridden(hook, other, pl.Callback) for other in others)
        and not is_overridden(hook, module, pl.LightningModule)
    )
