"""Losses of saliency maps with trust weights for pixels and images.

Labels that come from other methods are wrong in places. ``pixel_weights`` ``[B, 1, H, W]`` say
where they can be trusted, relative to the rest of the image; ``image_weights`` ``[B]`` scale the
loss of whole images. Both are non-negative. Every function runs in float32 at least.
"""

import torch.nn.functional as F
from torch import Tensor

from sod.nn.connectivity.cube import full_precision

_TINY = 1e-8


def weighted_mean(
    values: Tensor, pixel_weights: Tensor | None = None, image_weights: Tensor | None = None
) -> Tensor:
    """Average over the pixels of each image, then over the images.

    Args:
        values: ``[B, C, H, W]``.
        pixel_weights: ``[B, 1 or C, H, W]``; their scale does not matter, zero everywhere gives 0.
        image_weights: ``[B]``; their scale does matter: the sum is divided by ``B``, so that a
            batch of poor labels moves a model less, and alike on every device.

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
    """Binary cross-entropy of logits ``[B, C, H, W]`` and targets in [0, 1] of the same shape."""
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
    """One minus the Dice coefficient of each image, averaged.

    Args:
        saliency: ``[B, 1, H, W]`` in [0, 1].
        targets: ``[B, 1, H, W]`` in [0, 1].
        pixel_weights: see the module.
        image_weights: see the module.
        smooth: pixels added to both sides of the ratio, so that two empty maps agree.
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
    """One minus the soft intersection over union of each image; arguments as `dice_loss`."""
    overlap, total = _overlap(saliency, targets, pixel_weights)
    losses = 1 - (overlap + smooth) / (total - overlap + smooth)
    return weighted_mean(losses[:, None, None, None], None, image_weights)


def finite_logits(logits: Tensor) -> Tensor:
    """Return logits in float32 at least; those that overflowed half precision become finite."""
    return full_precision(logits).clamp(-1e4, 1e4)


def _overlap(
    saliency: Tensor, targets: Tensor, pixel_weights: Tensor | None
) -> tuple[Tensor, Tensor]:
    saliency = full_precision(saliency)
    targets = targets.to(saliency)
    weights = targets.new_ones(()) if pixel_weights is None else pixel_weights.to(saliency)
    overlap = (weights * saliency * targets).flatten(1).sum(1)
    return overlap, (weights * (saliency + targets)).flatten(1).sum(1)
