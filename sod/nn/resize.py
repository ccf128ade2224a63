"""The sizes at which images are shown to a backbone, and the resampling that gets them there."""

import math
from functools import lru_cache

import torch
from torch import Tensor


def saliency_size(height: int, width: int, patch_size: int) -> tuple[int, int]:
    """Return the size TokenCut's saliency works at: the nearest multiples of the patch size.

    Halves go to the even multiple, as in Python's ``round``; a side keeps at least one patch.

    Args:
        height: Height of the image in pixels.
        width: Width of the image in pixels.
        patch_size: Side of a patch in pixels.

    Returns:
        Height and width.
    """
    return _nearest(height, patch_size), _nearest(width, patch_size)


def _nearest(side: int, patch_size: int) -> int:
    return max(1, round(side / patch_size)) * patch_size


def discovery_pad(images: Tensor, patch_size: int, mean: Tensor) -> Tensor:
    """Pad images right and below to multiples of the patch size, as TokenCut's discovery does.

    The published code pads normalised images with zeros. Backbones normalise inside, so the same
    border is the mean colour here.

    Args:
        images: ``[B, 3, H, W]`` in [0, 1].
        patch_size: Side of a patch in pixels.
        mean: The backbone's mean colour, three values (``backbone.mean``).

    Returns:
        ``[B, 3, ceil(H), ceil(W)]``, the original in the upper left.
    """
    count, _, height, width = images.shape
    bottom, right = (math.ceil(side / patch_size) * patch_size for side in (height, width))
    padded = mean.to(images).view(1, -1, 1, 1).repeat(count, 1, bottom, right)
    padded[..., :height, :width] = images
    return padded


def lanczos_resize(images: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize as Pillow's LANCZOS filter does for 8-bit images, on any device and batch.

    Like Pillow, it widens the kernel when shrinking, works along the width first and rounds to
    8 bits after each direction; a direction whose size stays is left alone.

    Args:
        images: ``[..., H, W]`` in [0, 1], taken as multiples of 1/255.
        size: New height and width.

    Returns:
        ``[..., *size]`` in [0, 1], in float32; within one level of 255 of Pillow's result.
    """
    height, width = size
    levels = (images.float() * 255).round()
    if width != levels.shape[-1]:
        levels = _to_8_bits(levels @ _lanczos(levels.shape[-1], width).to(levels.device).T)
    if height != levels.shape[-2]:
        levels = _to_8_bits(_lanczos(levels.shape[-2], height).to(levels.device) @ levels)
    return levels / 255


def _to_8_bits(levels: Tensor) -> Tensor:
    return (levels + 0.5).floor().clamp(0, 255)


@lru_cache(maxsize=64)
def _lanczos(old: int, new: int) -> Tensor:
    """Return the weights ``[new, old]`` with which each new sample is made of the old ones."""
    scale = max(old / new, 1.0)
    reach = 3 * scale
    centre = (torch.arange(new, dtype=torch.float64) + 0.5) * (old / new)
    first = (centre - reach + 0.5).floor().clamp_min(0)
    last = (centre + reach + 0.5).floor().clamp_max(old)
    place = torch.arange(old, dtype=torch.float64).expand(new, old)
    offset = (place + 0.5 - centre[:, None]) / scale
    weights = torch.special.sinc(offset) * torch.special.sinc(offset / 3)
    inside = (place >= first[:, None]) & (place < last[:, None]) & (offset.abs() < 3)
    weights = torch.where(inside, weights, 0)
    return (weights / weights.sum(dim=1, keepdim=True)).float()
