"""How far the cuts of a configuration agree with those of all others on the same images."""

from collections.abc import Iterable

import torch
from torch import Tensor

from sod.refinement.masks import border_pixels

SHARPNESS = 8.0
"""Exponent of the scores as weights: good configurations count more than bad ones."""
ROUNDS = 3
LEAST, MOST = 0.005, 0.9
"""Shares of the image between which the area of an object is plausible."""


def pairwise_iou(masks: Tensor) -> Tensor:
    """Return the IoU of each pair of masks of an image; empty masks agree with none.

    Args:
        masks: Bool ``[K, h, w]``.

    Returns:
        ``[K, K]`` in [0, 1], float32.
    """
    flat = masks.flatten(1).float()
    overlap = flat @ flat.T
    areas = flat.sum(1)
    return overlap / (areas[:, None] + areas - overlap).clamp(min=1)


def plausibility(masks: Tensor) -> Tensor:
    """Return the share of the border that a mask leaves free; 0 if its area is not plausible.

    Args:
        masks: Bool ``[K, h, w]``.

    Returns:
        ``[K]`` in [0, 1].
    """
    areas = masks.flatten(1).float().mean(1)
    free = 1 - border_pixels(masks).float().mean(1)
    return torch.where((areas > LEAST) & (areas < MOST), free, 0.0)


def agreement_scores(
    masks: Iterable[Tensor], plausible: Iterable[Tensor], features: Tensor
) -> Tensor:
    """Rate configurations by their agreement with the others, which count by their own score.

    A configuration is compared with those of other features alone, because the cuts of one feature
    at neighbouring thresholds are nearly the same. In the first round all count alike; in the
    following ones they count by a power of their last score.

    Args:
        masks: Of each image, the cut of each configuration, bool ``[K, h, w]``.
        plausible: Of each image, the plausibility of each cut, ``[K]``.
        features: Index of the feature of each configuration, ``[K]``.

    Returns:
        The mean over the images of agreement times plausibility, ``[K]`` in [0, 1].
    """
    pairs = [
        pairwise_iou(each) * free[:, None] for each, free in zip(masks, plausible, strict=True)
    ]
    mean = torch.stack(pairs).mean(0)
    other = (features[:, None] != features).float()
    weights = torch.ones(len(features))
    scores = weights
    for _ in range(1 + ROUNDS):
        counted = other * weights
        scores = (mean * counted).sum(1) / counted.sum(1).clamp(min=1e-12)
        weights = vote_weights(scores)
    return scores


def vote_weights(scores: Tensor) -> Tensor:
    """Return the weights of configurations in a vote, ``[K]`` with the maximum 1."""
    return (scores / scores.max().clamp(min=1e-12)) ** SHARPNESS
