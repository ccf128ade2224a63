"""Quality network: rates soft masks of images, and is trained without ground truth.

Published as EvalSeg-Net by Croitoru et al. (IJCV 2019): three branches (colours, hue and
saturation, mask), a trunk and two linear layers. The published network has an input side of 128
pixels and a width of 256; its range of scores is replaced by [0, 1].
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sod.core.errors import SodError
from sod.core.precision import full_precision_region
from sod.nn.decoders.lowres import hue
from sod.nn.layers import convolution
from sod.nn.precision import KeepsPrecision


@dataclass(frozen=True)
class QualityConfig:
    """The quality network and its training on the agreement of the students.

    Args:
        width: Number of channels of the convolutions, a multiple of four; published: 256.
        size: Side of the input in pixels, a multiple of eight; published: 128.
        steps: Number of optimiser steps.
        batch_size: Number of masks per step.
        lr: Learning rate of AdamW, with cosine decay to zero.
    """

    width: int = 16
    size: int = 32
    steps: int = 200
    batch_size: int = 32
    lr: float = 1e-3

    def __post_init__(self) -> None:
        """Raise an error that names the field of an invalid value."""
        if self.width < 4 or self.width % 4:
            raise SodError(f"quality_network.width: {self.width} is not a multiple of four")
        if self.size < 8 or self.size % 8:
            raise SodError(f"quality_network.size: {self.size} is not a multiple of eight")


class QualityNetwork(KeepsPrecision):
    """Network that rates the soft mask of an image, in float32 whatever the precision of a run.

    Args:
        config: Width and input size.
    """

    def __init__(self, config: QualityConfig) -> None:
        super().__init__()
        width, size = config.width, config.size
        self.size = size
        self.branches = nn.ModuleList(
            nn.Sequential(convolution(channels, width), convolution(width, width), nn.MaxPool2d(2))
            for channels in (3, 3, 1)
        )
        self.trunk = nn.Sequential(
            convolution(3 * width, width),
            convolution(width, width),
            nn.MaxPool2d(2),
            convolution(width, width),
            convolution(width, width),
            convolution(width, width // 4),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Linear(width // 4 * (size // 8) ** 2, 2 * width),
            nn.ReLU(),
            nn.Linear(2 * width, 1),
        )

    @full_precision_region
    def forward(self, images: Tensor, maps: Tensor) -> Tensor:
        """Return the logits of the quality scores, ``[B]``.

        Args:
            images: RGB ``[B, 3, H, W]`` in [0, 1], of any size.
            maps: Soft masks ``[B, 1, H, W]`` in [0, 1].
        """
        colours, masks = (resize_square(each.float(), self.size) for each in (images, maps))
        parts = (2 * colours - 1, hue_saturation_value(colours), 2 * masks - 1)
        features = [branch(part) for branch, part in zip(self.branches, parts, strict=True)]
        logits: Tensor = self.trunk(torch.cat(features, dim=1))
        return logits[:, 0]


def resize_square(maps: Tensor, size: int) -> Tensor:
    """Resize maps ``[B, C, H, W]`` to squares with a side of ``size`` pixels, with antialiasing."""
    if maps.shape[-2:] == (size, size):
        return maps
    return F.interpolate(maps, (size, size), mode="bilinear", antialias=True)


def hue_saturation_value(images: Tensor) -> Tensor:
    """Return hue, saturation and value, each in [0, 1], ``[B, 3, H, W]`` of RGB in [0, 1]."""
    value = images.amax(1, keepdim=True)
    spread = value - images.amin(1, keepdim=True)
    return torch.cat([hue(images), spread / value.clamp(min=1e-8), value], dim=1)
