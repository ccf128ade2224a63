"""A backbone without weights: colour and gradient statistics of patches."""

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from sod.core.precision import full_precision_region
from sod.nn.backbones.base import Backbone

BINS = 8
EDGE_WEIGHT = 0.6
FLAT = 1e-3
# From linear sRGB to CIE XYZ, each row divided by the white point D65.
TO_XYZ = ((0.4339, 0.3763, 0.1898), (0.2127, 0.7151, 0.0722), (0.0178, 0.1095, 0.8727))


class Descriptor(Backbone):
    """Dense colour and gradient-orientation statistics, as used by classical normalized cuts.

    Each patch of 8x8 pixels is described by the mean and standard deviation of its CIELAB colours
    and by a histogram of its gradient orientations. Block 0 is the patch by itself; block 1 adds
    the averages over the surrounding 3x3 patches. Every channel is standardised over the image:
    cosine similarities then scatter around 0, and a tau of 0.2 to 0.4 separates regions. The
    backbone needs no download and no training. It describes textures and colours, not objects.

    Args:
        blocks: The features, concatenated in this order: 0 (14 channels) or 1 (28 channels).
        contrast: Append the distance of each channel of block 1 to its mean over the image border.
            The colour of objects differs between images, but their contrast to the border is a
            common cue that a linear head can use.
    """

    def __init__(self, blocks: Sequence[int] = (1,), contrast: bool = False) -> None:
        widths = [(1 + block) * (6 + BINS) for block in blocks]
        widths += [2 * (6 + BINS)] * contrast
        super().__init__(8, sum(widths), mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))
        self.widths, self.blocks, self.contrast = widths, list(blocks), contrast

    def forward(self, images: Tensor) -> Tensor:
        """Map images ``[B, 3, H, W]`` in [0, 1] to features ``[B, channels, H/8, W/8]``.

        The features have the dtype of the images, but are computed in float32.
        """
        return self._features(images).to(images.dtype)

    @full_precision_region
    def _features(self, images: Tensor) -> Tensor:
        """Return the features in float32."""
        self.grid(images)
        colours = cielab(images.float())
        mean = F.avg_pool2d(colours, self.patch_size)
        square = F.avg_pool2d(colours.square(), self.patch_size)
        deviation = (square - mean.square()).clamp_min(0).sqrt()
        edges = F.avg_pool2d(orientations(colours[:, :1]), self.patch_size).sqrt()
        local = torch.cat([mean, deviation, edges], dim=1)
        context = F.avg_pool2d(local, 3, stride=1, padding=1, count_include_pad=False)
        # The eight histogram bins would otherwise dominate the six colour statistics.
        weight = torch.tensor([1.0] * 6 + [EDGE_WEIGHT] * BINS, device=local.device)
        weight = weight.view(1, -1, 1, 1)
        patch = _standardise(local) * weight
        both = torch.cat([patch, _standardise(context) * weight], dim=1)
        parts = [both if block else patch for block in self.blocks]
        return torch.cat([*parts, border_contrast(both)] if self.contrast else parts, dim=1)


def border_contrast(features: Tensor) -> Tensor:
    """Return the absolute difference of each feature from its mean over the border cells.

    Args:
        features: ``[B, C, h, w]``.

    Returns:
        ``[B, C, h, w]``, non-negative.
    """
    sides = [features[..., 0, :], features[..., -1, :], features[..., 0], features[..., -1]]
    return (features - torch.cat(sides, dim=2).mean(2)[..., None, None]).abs()


def cielab(images: Tensor) -> Tensor:
    """Convert sRGB to CIELAB (CIE 15) in units of 100: lightness, red-green, yellow-blue.

    Args:
        images: ``[B, 3, H, W]`` in [0, 1].

    Returns:
        ``[B, 3, H, W]``, lightness in [0, 1], the others around [-1, 1].
    """
    linear = torch.where(images <= 0.04045, images / 12.92, ((images + 0.055) / 1.055) ** 2.4)
    matrix = torch.tensor(TO_XYZ, device=images.device)
    xyz = torch.einsum("ij,bjhw->bihw", matrix, linear)
    root = torch.where(xyz > 0.008856, xyz.clamp_min(1e-6) ** (1 / 3), 7.787 * xyz + 16 / 116)
    x, y, z = root.unbind(1)
    return torch.stack([1.16 * y - 0.16, 5 * (x - y), 2 * (y - z)], dim=1)


def orientations(lightness: Tensor) -> Tensor:
    """Compute gradient orientations: magnitudes divided between the two nearest of 8 bins.

    Args:
        lightness: ``[B, 1, H, W]``.

    Returns:
        ``[B, 8, H, W]``, bins 22.5 degrees apart, the first for horizontal gradients; opposite
        directions share a bin.
    """
    padded = F.pad(lightness, (1, 1, 1, 1), mode="replicate")
    across = padded[..., 1:-1, 2:] - padded[..., 1:-1, :-2]
    down = padded[..., 2:, 1:-1] - padded[..., :-2, 1:-1]
    position = torch.atan2(down, across) / math.pi * BINS
    centres = torch.arange(BINS, device=lightness.device).view(1, -1, 1, 1)
    distance = (position - centres + BINS / 2) % BINS - BINS / 2
    return torch.hypot(across, down) * (1 - distance.abs()).clamp_min(0)


def _standardise(features: Tensor) -> Tensor:
    """Scale every channel of every image to mean 0 and standard deviation 1.

    A channel that varies by less than a quarter of an 8-bit level is noise and becomes 0.
    """
    centred = features - features.mean(dim=(2, 3), keepdim=True)
    deviation = centred.square().mean(dim=(2, 3), keepdim=True).sqrt()
    return torch.where(deviation > FLAT, centred / deviation.clamp_min(FLAT), 0)
