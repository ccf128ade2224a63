"""Confidence in maps of images without a mask, learnt from the few that have one."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sod.nn.losses.cosaliency import foregrounds
from sod.refinement.masks import mask_iou

STATISTICS = 5
"""Statistics of a map that its confidence is computed from."""


class ConfidenceNetwork(nn.Module):
    """Predicts the IoU of a map with its unknown mask from statistics of the map.

    It has two layers of a few units, since it learns from a few masks. US-CoSOD (Chakraborty et
    al., WACV 2024) weighs unlabelled images by the confidence in their predictions too; its network
    is not known in detail, and this one is our own.

    Args:
        hidden: Units of the hidden layer.
    """

    def __init__(self, hidden: int = 8) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(STATISTICS, hidden), nn.Tanh(), nn.Linear(hidden, 1))

    def forward(self, statistics: Tensor) -> Tensor:
        """Return the logits ``[B]`` of the expected IoU, given statistics ``[B, STATISTICS]``."""
        logits: Tensor = self.layers(statistics)[:, 0]
        return logits

    def loss(self, statistics: Tensor, maps: Sequence[Tensor], masks: Sequence[Tensor]) -> Tensor:
        """Return the cross-entropy with the true IoUs of maps, each ``[N]`` in [0, 1]."""
        pairs = zip(maps, masks, strict=True)
        truth = torch.stack([mask_iou(map_[None], mask[None]) for map_, mask in pairs])
        return F.binary_cross_entropy_with_logits(self(statistics), truth)


def map_statistics(
    tokens: Sequence[Tensor], maps: Sequence[Tensor], priors: Sequence[Tensor]
) -> Tensor:
    """Return statistics of the maps of a group that tell how right they may be.

    They are the likeness of the foreground to those of the group, its likeness to the image's own
    background, the area, the mean of the map in the foreground, and the mean of the prior there.

    Args:
        tokens: Per image unit vectors ``[N, C]``.
        maps: Per image ``[N]`` in [0, 1].
        priors: Per image ``[N]`` in [0, 1].

    Returns:
        ``[B, STATISTICS]``.
    """
    fore, back = foregrounds(tokens, maps)
    likeness = [(fore @ fore.mT).mean(1), (fore * back).sum(1)]
    area = torch.stack([map_.mean() for map_ in maps])
    certain = torch.stack([_mean_inside(map_, map_) for map_ in maps])
    expected = torch.stack([_mean_inside(p, map_) for p, map_ in zip(priors, maps, strict=True)])
    return torch.stack([*likeness, area, certain, expected], 1)


def _mean_inside(values: Tensor, map_: Tensor) -> Tensor:
    return (values * map_).sum() / map_.sum().clamp(min=1e-6)
