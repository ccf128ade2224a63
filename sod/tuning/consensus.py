"""The consensus of all configurations about an image, refined along the edges of the image."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from sod.refinement.kinds import refine


class Consensus(NamedTuple):
    """The object of an image on which the configurations agree.

    Attributes:
        mask: The weighted vote of all cuts, refined, bool ``[H, W]``.
        overlap: IoU of each configuration's cut with it, at the size of the image, ``[K]``.
    """

    mask: Tensor
    overlap: Tensor


def consensus(image: Tensor, masks: Tensor, weights: Tensor) -> Consensus:
    """Let the cuts of an image vote, refine the result, and compare each cut with it.

    The refined vote is a better object than any cut: the cuts err in different places, and the
    bilateral solver moves the outline to the edges of the image.

    Args:
        image: RGB in [0, 1], ``[3, H, W]``.
        masks: The cut of each configuration, bool ``[K, h, w]``.
        weights: The weight of each configuration, ``[K]``, not negative.
    """
    shares = (weights[:, None, None] * masks).sum(0) / weights.sum().clamp(min=1e-12)
    size = (image.shape[-2], image.shape[-1])
    vote = F.interpolate(shares[None, None], size, mode="bilinear", align_corners=False)
    mask = refine(image[None], vote, "bilateral")[0, 0] > 0.5
    return Consensus(mask, overlaps(masks, mask))


def overlaps(masks: Tensor, mask: Tensor) -> Tensor:
    """Return the IoU of cuts, resized by nearest neighbour as TokenCut does, and a mask.

    Each pixel belongs to one token, so that counting the pixels of each token is enough.

    Args:
        masks: Cuts on the grid of tokens, bool ``[K, h, w]``.
        mask: At the size of the image, bool ``[H, W]``.

    Returns:
        ``[K]`` in [0, 1]; 0 for an empty cut and an empty mask.
    """
    tokens = masks[0].numel()
    index = torch.arange(tokens, dtype=torch.float64).view(1, 1, *masks.shape[1:])
    owner = F.interpolate(index, mask.shape, mode="nearest").long().flatten()
    pixels = torch.bincount(owner, minlength=tokens).double()
    inside = torch.bincount(owner[mask.flatten()], minlength=tokens).double()
    flat = masks.flatten(1).double()
    overlap = flat @ inside
    union = flat @ pixels + inside.sum() - overlap
    return (overlap / union.clamp(min=1)).float()
