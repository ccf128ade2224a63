"""Small pieces that networks share."""

from math import gcd

import torch.nn.functional as F
from torch import Tensor, nn


def convolution(
    inputs: int, outputs: int, kernel: int = 3, stride: int = 1, rate: int = 1
) -> nn.Sequential:
    """Build a convolution, dilated by ``rate``, with group norm and ReLU.

    Groups hold about eight channels, so that one image of one position can still be normalised.
    """
    padding = rate * (kernel // 2)
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, padding, dilation=rate, bias=False),
        nn.GroupNorm(gcd(outputs, max(1, outputs // 8)), outputs),
        nn.ReLU(),
    )


def pad_to_multiple(images: Tensor, multiple: int) -> Tensor:
    """Repeat the last row and column of ``[B, C, H, W]`` until both sides are multiples."""
    height, width = images.shape[-2:]
    bottom, right = -height % multiple, -width % multiple
    if not bottom and not right:
        return images
    return F.pad(images, (0, right, 0, bottom), mode="replicate")


def resize(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize maps ``[B, C, H, W]`` bilinearly, pixel centres staying in place."""
    if maps.shape[-2:] == size:
        return maps
    return F.interpolate(maps, size, mode="bilinear", align_corners=False)
