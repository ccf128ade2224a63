"""Optimisers of what methods train, and how their rates fall."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import torch
from pytorch_lightning.utilities.types import OptimizerLRSchedulerConfig
from torch.nn import Parameter

from sod.core.errors import SodError

Schedule = Literal["steps", "cosine"]


@dataclass(frozen=True)
class CosineOptimiser:
    """AdamW, its rate falling to zero along a cosine over the whole training.

    Args:
        lr: Learning rate for the whole effective batch; it is not scaled by the devices.
        weight_decay: Of AdamW.
    """

    lr: float = 1e-3
    weight_decay: float = 1e-2

    def build(self, learning: Iterable[Parameter], steps: float) -> OptimizerLRSchedulerConfig:
        """Return AdamW and its schedule, which goes on per optimiser step.

        Args:
            learning: What is trained.
            steps: Optimiser steps of the whole training.

        Raises:
            SodError: The training has no end.
        """
        if steps == float("inf"):
            raise SodError("trainer: the rate falls over the training: set max_steps or max_epochs")
        adamw = torch.optim.AdamW(learning, lr=self.lr, weight_decay=self.weight_decay)
        cosine = torch.optim.lr_scheduler.CosineAnnealingLR(adamw, max(int(steps), 1))
        return {"optimizer": adamw, "lr_scheduler": {"scheduler": cosine, "interval": "step"}}


@dataclass(frozen=True)
class FallingOptimiser:
    """AdamW, its rate falling by a factor every so many steps, or to zero along a cosine.

    Args:
        lr: Learning rate for the whole effective batch; it is not scaled by the devices.
        weight_decay: Of AdamW.
        schedule: ``steps`` (published) or ``cosine`` over the whole training, which leaves less of
            the last batches in the weights: seeds agree better.
        every: Optimiser steps between two decays of ``steps``.
        factor: Of each decay of ``steps``.
    """

    lr: float = 5e-2
    weight_decay: float = 1e-2
    schedule: Schedule = "steps"
    every: int = 50
    factor: float = 0.95

    def __post_init__(self) -> None:
        """Refuse an unknown schedule, naming the field."""
        if self.schedule not in ("steps", "cosine"):
            raise SodError(f"optimiser.schedule: '{self.schedule}' is none of steps, cosine")

    def build(self, learning: Iterable[Parameter], steps: float) -> OptimizerLRSchedulerConfig:
        """Return AdamW and its schedule, as :meth:`CosineOptimiser.build` does."""
        if self.schedule == "cosine":
            return CosineOptimiser(self.lr, self.weight_decay).build(learning, steps)
        adamw = torch.optim.AdamW(learning, lr=self.lr, weight_decay=self.weight_decay)
        falling = torch.optim.lr_scheduler.StepLR(adamw, self.every, self.factor)
        return {"optimizer": adamw, "lr_scheduler": {"scheduler": falling, "interval": "step"}}
