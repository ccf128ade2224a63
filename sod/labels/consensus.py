"""Agreement between the members of an ensemble, and their combined prediction."""

from typing import Literal

import torch
from torch import Tensor

from sod.refinement.masks import mask_iou

Combine = Literal["mean", "weighted", "best"]


def agreements(maps: Tensor) -> Tensor:
    """Return each member's mean soft IoU with the other members.

    Args:
        maps: ``[M, H, W]`` in [0, 1], of M members.

    Returns:
        ``[M]`` in [0, 1]; 1 for a single member.
    """
    if len(maps) < 2:
        return maps.new_ones(len(maps))
    pairs = torch.stack([mask_iou(member, maps) for member in maps])
    return (pairs.sum(1) - pairs.diagonal()) / (len(maps) - 1)


def combine(maps: Tensor, scores: Tensor, how: Combine, power: float = 4.0) -> Tensor:
    """Combine the maps of several members into one.

    Args:
        maps: ``[M, B, 1, H, W]`` in [0, 1], of M members.
        scores: Quality of each map, ``[M, B]`` in [0, 1].
        how: ``mean`` (scores have no effect), ``weighted`` by the scores to a power, or the map
            with the ``best`` score (the first of equal ones).
        power: Exponent of the scores.

    Returns:
        ``[B, 1, H, W]`` in [0, 1].
    """
    if how == "mean":
        return maps.mean(0)
    if how == "best":
        best = scores.argmax(0)
        return maps[best, torch.arange(maps.shape[1], device=maps.device)]
    weights = scores.clamp(min=1e-3).pow(power)
    weights = weights / weights.sum(0)
    return (maps * weights[..., None, None, None]).sum(0)
