"""Losses of saliency maps, with weights for pixels and images.

Pseudo-labels are wrong in places. ``pixel_weights`` ``[B, 1, H, W]`` are the weights of pixels
relative to the rest of their image; ``image_weights`` ``[B]`` scale the loss of whole images. Both
are non-negative. Every function computes in float32 at least.
"""

import torch.nn.functional as F
from torch import Tensor

from sod.core.precision import full_precision
from sod.nn.precision import finite_logits

_TINY = 1e-8


def weighted_mean(
    values: Tensor, pixel_weights: Tensor | None = None, image_weights: Tensor | None = None
) -> Tensor:
    """Average over the pixels of each image, then over the images.

    Args:
        values: ``[B, C, H, W]``.
        pixel_weights: ``[B, 1 or C, H, W]``; their scale does not matter, all zeros give 0.
        image_weights: ``[B]``; their scale matters, as the sum is divided by ``B``: a batch of
            unreliable labels has a smaller loss, and splitting it over devices changes nothing.

    Returns:
        A scalar.
    """
    if pixel_weights is None:
        means = values.flatten(1).mean(1)
    else:
        weights = pixel_weights.to(values).expand_as(values).flatten(1)
        means = (values.flatten(1) * weights).sum(1) / weights.sum(1).clamp(min=_TINY)
    return means.mean() if image_weights is None else (means * image_weights.to(means)).mean()


def binary_loss(
    logits: Tensor,
    targets: Tensor,
    pixel_weights: Tensor | None = None,
    image_weights: Tensor | None = None,
) -> Tensor:
    """Compute the binary cross-entropy of logits ``[B, C, H, W]`` and targets in [0, 1]."""
    logits = finite_logits(logits)
    values = F.binary_cross_entropy_with_logits(logits, targets.to(logits), reduction="none")
    return weighted_mean(values, pixel_weights, image_weights)


def dice_loss(
    saliency: Tensor,
    targets: Tensor,
    pixel_weights: Tensor | None = None,
    image_weights: Tensor | None = None,
    smooth: float = 1.0,
) -> Tensor:
    """Compute one minus the Dice coefficient of each image, averaged over the images.

    Args:
        saliency: ``[B, 1, H, W]`` in [0, 1].
        targets: ``[B, 1, H, W]`` in [0, 1].
        pixel_weights: Weights of the pixels, ``[B, 1, H, W]``.
        image_weights: Weights of the images, ``[B]``.
        smooth: Pixels added to numerator and denominator, which gives two empty maps the loss 0.
    """
    overlap, total = _overlap(saliency, targets, pixel_weights)
    losses = 1 - (2 * overlap + smooth) / (total + smooth)
    return weighted_mean(losses[:, None, None, None], None, image_weights)


def iou_loss(
    saliency: Tensor,
    targets: Tensor,
    pixel_weights: Tensor | None = None,
    image_weights: Tensor | None = None,
    smooth: float = 1.0,
) -> Tensor:
    """Compute one minus the soft IoU of each image, averaged; arguments as in `dice_loss`."""
    overlap, total = _overlap(saliency, targets, pixel_weights)
    losses = 1 - (overlap + smooth) / (total - overlap + smooth)
    return weighted_mean(losses[:, None, None, None], None, image_weights)


def _overlap(
    saliency: Tensor, targets: Tensor, pixel_weights: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Return the weighted product and the weighted sum of two maps, over pixels, each ``[B]``."""
    saliency = full_precision(saliency)
    targets = targets.to(saliency)
    weights = targets.new_ones(()) if pixel_weights is None else pixel_weights.to(saliency)
    overlap = (weights * saliency * targets).flatten(1).sum(1)
    return overlap, (weights * (saliency + targets)).flatten(1).sum(1)
