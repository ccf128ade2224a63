"""A backbone without weights: colour and gradient statistics of patches."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from sod.nn.features import Backbone

BINS = 8


class Descriptor(Backbone):
    """Dense colour and gradient-orientation statistics, as classical normalized cuts use them.

    Each patch of 8x8 pixels is described by the mean and the spread of three opponent colours and
    by a histogram of gradient orientations, all of them also averaged over the 3x3 and 7x7 patches
    around it. Every channel is standardised over the image, so that cosine similarities spread
    around 0 and a threshold of 0.2 to 0.4 separates. There is nothing to download or to train.
    """

    def __init__(self) -> None:
        super().__init__(8, 3 * (6 + BINS), mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))

    def forward(self, images: Tensor) -> Tensor:
        """Map images ``[B, 3, H, W]`` in [0, 1] to features ``[B, channels, H/8, W/8]``."""
        self.grid(images)
        colours = opponent_colours(images.float())
        mean = self._pool(colours)
        spread = (self._pool(colours.square()) - mean.square()).clamp_min(0).sqrt()
        edges = self._pool(orientations(colours[:, :1])).sqrt()
        local = torch.cat([mean, spread, edges], dim=1)
        scales = [local, _average(local, 3), _average(local, 7)]
        return _standardise(torch.cat(scales, dim=1))

    def _pool(self, values: Tensor) -> Tensor:
        return F.avg_pool2d(values, self.patch_size)


def opponent_colours(images: Tensor) -> Tensor:
    """Return lightness, red against green and yellow against blue, ``[B, 3, H, W]``.

    A linear stand-in for the axes of CIELAB on gamma-encoded RGB.

    Args:
        images: ``[B, 3, H, W]`` in [0, 1].
    """
    red, green, blue = images.unbind(1)
    lightness = 0.299 * red + 0.587 * green + 0.114 * blue
    return torch.stack([lightness, red - green, (red + green) / 2 - blue], dim=1)


def orientations(lightness: Tensor) -> Tensor:
    """Share the gradient's magnitude at each pixel between the two nearest orientations.

    Args:
        lightness: ``[B, 1, H, W]``.

    Returns:
        ``[B, 8, H, W]``, bins of 22.5 degrees; gradients that point opposite ways share a bin.
    """
    padded = F.pad(lightness, (1, 1, 1, 1), mode="replicate")
    across = padded[..., 1:-1, 2:] - padded[..., 1:-1, :-2]
    down = padded[..., 2:, 1:-1] - padded[..., :-2, 1:-1]
    place = torch.atan2(down, across) / math.pi * BINS
    centres = torch.arange(BINS, device=lightness.device).view(1, -1, 1, 1)
    distance = (place - centres + BINS / 2) % BINS - BINS / 2
    return torch.hypot(across, down) * (1 - distance.abs()).clamp_min(0)


def _average(values: Tensor, size: int) -> Tensor:
    """Average over ``size`` x ``size`` patches, fewer at the border."""
    return F.avg_pool2d(values, size, stride=1, padding=size // 2, count_include_pad=False)


def _standardise(features: Tensor) -> Tensor:
    """Bring every channel of every image to mean 0 and spread 1; constant channels stay at 0."""
    centred = features - features.mean(dim=(2, 3), keepdim=True)
    return centred / (centred.square().mean(dim=(2, 3), keepdim=True).sqrt() + 1e-3)
