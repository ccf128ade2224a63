"""Refinement that adapts to each map: how strongly it is smoothed is chosen without a mask.

The published refinement thresholds a map and smooths it strongly (λ = 256). That repairs the coarse
masks of TokenCut and rounds off what a better map has right. Here the map itself is smoothed, where
it is uncertain more than where it is certain, at several strengths. Of the results and the map as
it was, the one is returned whose border lies on the strongest edges of the image without leaving
the map behind.
"""

import numpy as np
import torch
from torch import Tensor

from sod.core.precision import full_precision, full_precision_region
from sod.refinement.bilateral import BilateralGrid
from sod.refinement.masks import mask_iou

LAMBDAS = (8.0, 16.0, 32.0, 64.0, 128.0, 256.0)
"""Weights of smoothness that are tried."""

LEAST_CERTAINTY = 0.02
"""Of the value 0.5: the solver needs some weight everywhere."""


@torch.no_grad()
@full_precision_region
def adaptive_refinement(images: Tensor, saliency: Tensor) -> Tensor:
    """Smooth maps along the edges of their images, each as strongly as suits it.

    A pixel's confidence is its certainty ``|2s - 1|``. The result with the largest
    ``border_contrast * sqrt(IoU with the map)`` is chosen per image.

    Args:
        images: RGB in [0, 1], ``[B, 3, H, W]``.
        saliency: ``[B, 1, H, W]`` in [0, 1].

    Returns:
        ``[B, 1, H, W]`` in [0, 1]; the map itself where no result has a border.
    """
    guides, maps = full_precision(images), full_precision(saliency)
    candidates = torch.cat([maps, _smoothed(guides, maps)], 1)
    masks = candidates > 0.5
    agreement = mask_iou(masks, masks[:, :1])
    scores = border_contrast(guides, masks) * agreement.sqrt()
    best = scores.argmax(1).view(-1, 1, 1, 1)
    return candidates.take_along_dim(best, 1).to(saliency.dtype)


def _smoothed(images: Tensor, maps: Tensor) -> Tensor:
    """Return the maps smoothed with each weight, ``[B, len(LAMBDAS), H, W]``."""
    confidence = (2 * maps - 1).abs().clamp(min=LEAST_CERTAINTY)
    return BilateralGrid(images).solve(maps, confidence, LAMBDAS)


def border_contrast(images: Tensor, masks: Tensor) -> Tensor:
    """Return the mean colour difference across the borders of masks.

    Args:
        images: RGB, ``[B, 3, H, W]``.
        masks: Bool, ``[B, K, H, W]``.

    Returns:
        ``[B, K]``: the mean, over all pairs of neighbouring pixels (of 4) that a border separates,
        of the sum of their absolute differences in the three channels; 0 without a border.
    """
    total, count = images.new_zeros(masks.shape[:2]), images.new_zeros(masks.shape[:2])
    for axis in (2, 3):
        difference = images.diff(dim=axis).abs_().sum(1).flatten(1)
        separated = masks.diff(dim=axis).flatten(2)
        total += _sums_where(separated, difference)
        count += separated.sum(2)
    return total / count.clamp(min=1)


def _sums_where(chosen: Tensor, values: Tensor) -> Tensor:
    """Return the sums of values ``[B, P]`` where chosen ``[B, K, P]`` is true, ``[B, K]``."""
    if values.device.type != "cpu":
        return torch.where(chosen, values[:, None], 0).sum(2)
    # A border has few pixels, which NumPy finds quickly.
    rows = [
        [row[np.flatnonzero(each)].sum(dtype=np.float64) for each in masks]
        for row, masks in zip(values.numpy(), chosen.numpy(), strict=True)
    ]
    return values.new_tensor(rows)
