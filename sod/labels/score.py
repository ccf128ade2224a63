"""How clearly the object of a soft mask stands out, without ground truth."""

from torch import Tensor

from sod.core.precision import float64_device
from sod.refinement.masks import border_pixels

MIN_SALIENCY = 0.05
"""Saliency below this counts as zero: the bilateral solver's output is never quite zero."""


def contrast(saliency: Tensor) -> Tensor:
    """Return the mean of a map where it is not zero, minus the mean of its border.

    Args:
        saliency: ``[B, H, W]`` in [0, 1].

    Returns:
        ``[B]`` in [-1, 1], in the dtype of the maps.

    Source: the first term is the score of Croitoru et al., ICCV 2017.
    """
    present = saliency > MIN_SALIENCY
    inside = (saliency * present).sum((1, 2)) / present.sum((1, 2)).clamp(min=1)
    return inside - border_pixels(saliency).mean(1)


def contrast_and_area(saliency: Tensor) -> tuple[float, float]:
    """Return the contrast of one map ``[H, W]`` and the share of the image above one half."""
    values = saliency.to(float64_device(saliency.device)).double()
    return float(contrast(values[None])), float((values > 0.5).double().mean())


def image_weights(refined: Tensor) -> Tensor:
    """Weight images by the contrast of their refined masks.

    A contrast of 0.2 and less gives the weight 0.1, one of 0.7 and more gives 1; it is linear in
    between.

    Args:
        refined: Output of the bilateral solver in [0, 1], ``[B, 1, H, W]``.

    Returns:
        Weights ``[B]`` in [0.1, 1].
    """
    return ((contrast(refined[:, 0]) - 0.2) / 0.5).clamp(0.1, 1)
