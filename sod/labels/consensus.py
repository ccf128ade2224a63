"""What several models say of one image: how far they agree, and what they say together."""

from typing import Literal

import torch
from torch import Tensor

Combine = Literal["mean", "weighted", "best"]


def soft_iou(left: Tensor, right: Tensor) -> Tensor:
    """Return the soft intersection over union, 1 where both maps are empty.

    Args:
        left: ``[..., H, W]`` in [0, 1].
        right: The same, or what broadcasts with it.

    Returns:
        ``[...]`` in [0, 1].
    """
    overlap = torch.minimum(left, right).sum((-2, -1))
    union = torch.maximum(left, right).sum((-2, -1))
    return torch.where(union > 0, overlap / union.clamp(min=1e-12), 1.0)


def agreements(maps: Tensor) -> Tensor:
    """Return how far each model agrees with the others, on average over them.

    Args:
        maps: ``[M, H, W]`` in [0, 1], of M models.

    Returns:
        ``[M]`` in [0, 1]; 1 for a single model, which nobody contradicts.
    """
    if len(maps) < 2:
        return maps.new_ones(len(maps))
    pairs = torch.stack([soft_iou(one, maps) for one in maps])
    return (pairs.sum(1) - pairs.diagonal()) / (len(maps) - 1)


def combine(maps: Tensor, scores: Tensor, how: Combine, power: float = 4.0) -> Tensor:
    """Join the maps of several models to one.

    Args:
        maps: ``[M, B, 1, H, W]`` in [0, 1], of M models.
        scores: How good each is, ``[M, B]`` in [0, 1].
        how: ``mean`` (scores have no effect), ``weighted`` by the scores to a power, or the map of
            the ``best`` score; of equal ones the first.
        power: Of the scores.

    Returns:
        ``[B, 1, H, W]`` in [0, 1].
    """
    if how == "mean":
        return maps.mean(0)
    if how == "best":
        best = scores.argmax(0)
        return maps[best, torch.arange(maps.shape[1], device=maps.device)]
    weights = scores.clamp(min=1e-3).pow(power)
    shares = weights / weights.sum(0)
    return (maps * shares[..., None, None, None]).sum(0)
