"""What can be seen of a model without any mask: polarity, collapse and agreement."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from sod.core.errors import SodError
from sod.refine.refinement import refine

Action = Literal["off", "warn", "restart"]


def foreground_shares(saliency: Tensor) -> dict[str, Tensor]:
    """Measure how much of each image is foreground, and where.

    Args:
        saliency: ``[B, 1, H, W]`` in [0, 1], cut at one half.

    Returns:
        Shares in [0, 1], each ``[B]``: of the whole image (``foreground``), of its four corners
        (``corners``) and of its outermost pixels (``border``). Objects seldom fill the last two:
        high values mean that object and background have been taken for each other.
    """
    masks = saliency[:, 0] > 0.5
    corners = masks[:, [0, 0, -1, -1], [0, -1, 0, -1]]
    sides = [masks[:, 0], masks[:, -1], masks[:, 1:-1, 0], masks[:, 1:-1, -1]]
    return {
        "foreground": masks.flatten(1).float().mean(1),
        "corners": corners.float().mean(1),
        "border": torch.cat(sides, 1).float().mean(1),
    }


def agreement(left: Tensor, right: Tensor) -> Tensor:
    """Return the IoU of two maps of each image, both cut at one half; 1 where both are empty.

    Args:
        left: ``[B, 1, H, W]`` in [0, 1].
        right: ``[B, 1, H, W]`` in [0, 1].

    Returns:
        ``[B]`` in [0, 1].
    """
    one, other = left.flatten(1) > 0.5, right.flatten(1) > 0.5
    union = (one | other).sum(1)
    iou = (one & other).sum(1) / union.clamp(min=1)
    return torch.where(union > 0, iou, 1.0)


def selection_score(
    foreground: Tensor, border: Tensor, refinement: Tensor, augmentation: Tensor
) -> Tensor:
    """Rate each image's prediction without its mask, to choose a checkpoint by the mean.

    The product of the two agreements, less where the border is painted, and 0 where nearly nothing
    or nearly everything is: a model that paints all or nothing agrees with itself perfectly.

    Args:
        foreground: Share of the image, ``[B]``.
        border: Share of the border, ``[B]``.
        refinement: Agreement of prediction and refined prediction, ``[B]``.
        augmentation: Agreement of the predictions of the image and of its mirror image, ``[B]``.

    Returns:
        ``[B]`` in [0, 1].
    """
    plausible = (foreground > 0.005) & (foreground < 0.9)
    return torch.where(plausible, refinement * augmentation * (1 - border), 0.0)


def label_free(saliency: Callable[[Tensor], Tensor], images: Tensor) -> dict[str, Tensor]:
    """Measure what can be said of a model on some images without their masks.

    Args:
        saliency: The model, images to saliency ``[B, 1, H, W]``.
        images: RGB in [0, 1], ``[B, 3, H, W]``.

    Returns:
        Each ``[B]``: the shares of :func:`foreground_shares`, the agreement with the bilateral
        ``refinement`` and under the mirror (``augmentation``), and the ``score`` of it all.
    """
    maps = saliency(images)
    shares = foreground_shares(maps)
    refinement = agreement(maps, refine(images, maps, "bilateral"))
    mirrored = agreement(maps, saliency(images.flip(-1)).flip(-1))
    score = selection_score(shares["foreground"], shares["border"], refinement, mirrored)
    return shares | {"refinement": refinement, "augmentation": mirrored, "score": score}


@dataclass(frozen=True)
class GuardConfig:
    """When a model in training counts as collapsed, and what is done.

    Args:
        action: ``warn`` says so in the log; ``restart`` also resets the head and starts over from
            the label-free start; ``off`` does not look.
        low: A smaller mean foreground is nothing.
        high: A larger mean foreground is everything.
        border: A larger mean share of the border means that the background was painted; sound
            trainings on random crops stayed below 0.26.
        patience: Training batches in a row that look so before it counts.
    """

    action: Action = "restart"
    low: float = 0.01
    high: float = 0.7
    border: float = 0.4
    patience: int = 20

    def __post_init__(self) -> None:
        """Refuse an unknown action."""
        if self.action not in get_args(Action):
            raise SodError(
                f"guard.action: '{self.action}' is none of {', '.join(get_args(Action))}"
            )


class CollapseGuard(nn.Module):
    """Notices a model that paints everything, nothing, or the background.

    Its count is a buffer, so that a resumed run goes on counting.

    Args:
        config: When to speak up.
    """

    def __init__(self, config: GuardConfig) -> None:
        super().__init__()
        self.config = config
        self.strikes: Tensor
        self.register_buffer("strikes", torch.zeros((), dtype=torch.int64))

    def diagnose(self, foreground: float, border: float) -> str | None:
        """Say in words what is wrong with such mean shares, or None."""
        if foreground > self.config.high:
            return f"{foreground:.0%} of the images is painted as foreground"
        if foreground < self.config.low:
            return f"only {foreground:.1%} of the images is painted as foreground"
        if border > self.config.border:
            return f"{border:.0%} of the border is painted: object and background are swapped"
        return None

    def update(self, foreground: float, border: float) -> str | None:
        """Look at one training step; return the diagnosis once patience is exhausted.

        Args:
            foreground: Mean share of the batch's images.
            border: Mean share of their borders.
        """
        finding = None if self.config.action == "off" else self.diagnose(foreground, border)
        if finding is None:
            self.strikes.zero_()
            return None
        self.strikes += 1
        if self.strikes < self.config.patience:
            return None
        self.strikes.zero_()
        return finding
