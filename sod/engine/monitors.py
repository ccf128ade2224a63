"""Measures of a model that need no mask: painted shares, agreement, and a score."""

from collections.abc import Callable

import torch
from torch import Tensor

from sod.core.precision import full_precision_region
from sod.refinement.kinds import refine
from sod.refinement.masks import border_pixels, mask_iou

LABEL_FREE = ("foreground", "corners", "border", "refinement", "augmentation", "score")
"""The measures that :func:`label_free_measures` returns."""


def foreground_shares(saliency: Tensor) -> dict[str, Tensor]:
    """Return the share of each image that is foreground, and where it lies.

    Args:
        saliency: ``[B, 1, H, W]`` in [0, 1], thresholded at one half.

    Returns:
        Shares in [0, 1], each ``[B]``: of the whole image (``foreground``), of its four corners
        (``corners``) and of its outermost pixels (``border``). Objects seldom fill the last two:
        high values mean that object and background are swapped.
    """
    masks = saliency[:, 0] > 0.5
    corners = masks[:, [0, 0, -1, -1], [0, -1, 0, -1]]
    return {
        "foreground": masks.flatten(1).float().mean(1),
        "corners": corners.float().mean(1),
        "border": border_pixels(masks).float().mean(1),
    }


def label_free_score(
    foreground: Tensor, border: Tensor, refinement: Tensor, augmentation: Tensor
) -> Tensor:
    """Rate each image's prediction without its mask; checkpoints are selected by the mean.

    The score is ``refinement * augmentation * (1 - border)``. It is 0 if nearly nothing or nearly
    everything is foreground: such a prediction agrees with itself perfectly.

    Args:
        foreground: Foreground share of the image, ``[B]``.
        border: Foreground share of the border, ``[B]``.
        refinement: IoU of the prediction and the refined prediction, ``[B]``.
        augmentation: IoU of the predictions of the image and of its mirror image, ``[B]``.

    Returns:
        ``[B]`` in [0, 1].
    """
    plausible = (foreground > 0.005) & (foreground < 0.9)
    return torch.where(plausible, refinement * augmentation * (1 - border), 0.0)


@full_precision_region
def label_free_measures(saliency: Callable[[Tensor], Tensor], images: Tensor) -> dict[str, Tensor]:
    """Measure a model on some images without their masks, outside autocast.

    Args:
        saliency: The model, images to saliency ``[B, 1, H, W]``.
        images: RGB in [0, 1], ``[B, 3, H, W]``.

    Returns:
        Each ``[B]``: the shares of :func:`foreground_shares`, the IoU with the bilateral
        ``refinement`` and under mirroring (``augmentation``), and their ``score``.
    """
    maps = saliency(images)
    shares = foreground_shares(maps)
    refinement = _agreement(maps, refine(images, maps, "bilateral"))
    mirrored = _agreement(maps, saliency(images.flip(-1)).flip(-1))
    score = label_free_score(shares["foreground"], shares["border"], refinement, mirrored)
    return shares | {"refinement": refinement, "augmentation": mirrored, "score": score}


def _agreement(left: Tensor, right: Tensor) -> Tensor:
    """Return the IoU ``[B]`` of maps ``[B, 1, H, W]`` at one half; 1 if both are empty."""
    return mask_iou(left[:, 0] > 0.5, right[:, 0] > 0.5)
