"""A backbone without weights: colour and gradient statistics of patches."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from sod.nn.backbones.base import Backbone

BINS = 8
EDGE_WEIGHT = 0.6
FLAT = 1e-3
# From linear sRGB to CIE XYZ, each row divided by the white point D65.
TO_XYZ = ((0.4339, 0.3763, 0.1898), (0.2127, 0.7151, 0.0722), (0.0178, 0.1095, 0.8727))


class Descriptor(Backbone):
    """Dense colour and gradient-orientation statistics, as classical normalized cuts use them.

    Each patch of 8x8 pixels is described by the mean and the spread of its colours in CIELAB and
    by a histogram of its gradient orientations, both also averaged over the 3x3 patches around it.
    Every channel is standardised over the image, so that cosine similarities spread around 0 and a
    threshold of 0.2 to 0.4 separates. There is nothing to download or to train; it sees textures
    and colours, not objects.

    Args:
        contrast: Append how far each channel is from its mean on the border of the image: what
            the object's colour is differs from image to image, that it is not the border's does
            not, and only such a cue can be learnt by a linear head.
    """

    def __init__(self, contrast: bool = False) -> None:
        own = 2 * (6 + BINS)
        total = own * (2 if contrast else 1)
        super().__init__(8, total, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))
        self.widths = [own] * (2 if contrast else 1)

    def forward(self, images: Tensor) -> Tensor:
        """Map images ``[B, 3, H, W]`` in [0, 1] to features ``[B, 28 or 56, H/8, W/8]``."""
        self.grid(images)
        colours = cielab(images.float())
        mean = F.avg_pool2d(colours, self.patch_size)
        square = F.avg_pool2d(colours.square(), self.patch_size)
        spread = (square - mean.square()).clamp_min(0).sqrt()
        edges = F.avg_pool2d(orientations(colours[:, :1]), self.patch_size).sqrt()
        own = torch.cat([mean, spread, edges], dim=1)
        around = F.avg_pool2d(own, 3, stride=1, padding=1, count_include_pad=False)
        # The many bins of a histogram must not outvote the few colours.
        weight = torch.tensor([1.0] * 6 + [EDGE_WEIGHT] * BINS, device=own.device).view(1, -1, 1, 1)
        features = torch.cat([_standardise(own) * weight, _standardise(around) * weight], dim=1)
        if len(self.widths) == 1:
            return features
        return torch.cat([features, border_contrast(features)], dim=1)


def border_contrast(features: Tensor) -> Tensor:
    """Return the distance of each feature to its mean over the outermost places.

    Args:
        features: ``[B, C, h, w]``.

    Returns:
        ``[B, C, h, w]``, 0 and above.
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
    """Share the gradient's magnitude at each pixel between the two nearest orientations.

    Args:
        lightness: ``[B, 1, H, W]``.

    Returns:
        ``[B, 8, H, W]``, bins 22.5 degrees apart, the first for gradients along the rows;
        gradients that point opposite ways share a bin.
    """
    padded = F.pad(lightness, (1, 1, 1, 1), mode="replicate")
    across = padded[..., 1:-1, 2:] - padded[..., 1:-1, :-2]
    down = padded[..., 2:, 1:-1] - padded[..., :-2, 1:-1]
    place = torch.atan2(down, across) / math.pi * BINS
    centres = torch.arange(BINS, device=lightness.device).view(1, -1, 1, 1)
    distance = (place - centres + BINS / 2) % BINS - BINS / 2
    return torch.hypot(across, down) * (1 - distance.abs()).clamp_min(0)


def _standardise(features: Tensor) -> Tensor:
    """Bring every channel of every image to mean 0 and spread 1.

    A channel that varies by less than a quarter of an 8-bit level is noise and becomes 0.
    """
    centred = features - features.mean(dim=(2, 3), keepdim=True)
    spread = centred.square().mean(dim=(2, 3), keepdim=True).sqrt()
    return torch.where(spread > FLAT, centred / spread.clamp_min(FLAT), 0)
