"""A guard against collapsed training."""

from dataclasses import dataclass
from typing import Any, Literal, Protocol, get_args, runtime_checkable

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback
from torch import Tensor, nn

from sod.core.errors import SodError

Action = Literal["off", "warn", "restart"]


@dataclass(frozen=True)
class GuardConfig:
    """When a model in training counts as collapsed, and what is done about it.

    Args:
        action: ``warn`` logs it; ``restart`` also resets the head and starts again from the initial
            targets; ``off`` disables the check.
        low: A mean foreground share below this is a collapse to nothing.
        high: A mean foreground share above this is a collapse to everything.
        border: A mean foreground share of the border above this means that the background was
            segmented; sound trainings on random crops stayed below 0.26.
        patience: Consecutive training batches before a collapse is reported.
    """

    action: Action = "restart"
    low: float = 0.01
    high: float = 0.7
    border: float = 0.4
    patience: int = 20

    def __post_init__(self) -> None:
        """Reject an unknown action."""
        if self.action not in get_args(Action):
            raise SodError(
                f"guard.action: '{self.action}' is none of {', '.join(get_args(Action))}"
            )


@runtime_checkable
class Reacting(Protocol):
    """A method that reacts to a collapse."""

    def react_to_collapse(self, collapse: str) -> None:
        """React, given the diagnosis."""


class CollapseReaction(Callback):
    """Lets a method react to the ``collapse`` in a step's outputs, the diagnosis or None.

    Callbacks run before the one that writes checkpoints, hooks of the method after it.
    """

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,  # noqa: ANN401 - Lightning's own signature
        *_: Any,  # noqa: ANN401
    ) -> None:
        """React if the step's outputs have a diagnosis."""
        if outputs["collapse"] is not None:
            assert isinstance(pl_module, Reacting)  # noqa: S101 - narrows the type
            pl_module.react_to_collapse(outputs["collapse"])


class CollapseGuard(nn.Module):
    """Detects a model that predicts everything, nothing, or the background.

    The count of bad steps is a buffer, so that a resumed run continues it.

    Args:
        config: When a model counts as collapsed.
    """

    def __init__(self, config: GuardConfig) -> None:
        super().__init__()
        self.config = config
        self.bad_steps: Tensor
        self.register_buffer("bad_steps", torch.zeros((), dtype=torch.int64))

    def diagnose(self, foreground: float, border: float) -> str | None:
        """Describe what is wrong with such mean foreground shares, or return None."""
        if foreground > self.config.high:
            return f"{foreground:.0%} of the images is painted as foreground"
        if foreground < self.config.low:
            return f"only {foreground:.1%} of the images is painted as foreground"
        if border > self.config.border:
            return f"{border:.0%} of the border is painted: object and background are swapped"
        return None

    def update(self, foreground: float, border: float) -> str | None:
        """Check one training step; return the diagnosis once patience is exhausted.

        Args:
            foreground: Mean foreground share of the batch's images.
            border: Mean foreground share of their borders.
        """
        finding = None if self.config.action == "off" else self.diagnose(foreground, border)
        if finding is None:
            self.bad_steps.zero_()
            return None
        self.bad_steps += 1
        if self.bad_steps < self.config.patience:
            return None
        self.bad_steps.zero_()
        return finding
