"""U-Nets trained from scratch, after the students of Croitoru et al. (IJCV 2019).

Structure and widths are the published ones (at a ``width`` of 32). Group norms are added, and the
output is a logit instead of a ReLU, which could exceed 1 or get stuck at 0.
"""

from collections.abc import Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sod.nn.layers import convolution
from sod.nn.resize import pad_to_multiple

Centre = Literal["plain", "dilated"]
LEVELS = 5
RATES = (1, 2, 4, 8, 16, 32)
GROWTHS = (24, 48, 64, 128, 128)
"""Channels that each convolution of a dense block adds, for each level, at the published width; the
value of the deepest level is unknown and repeats the one before it."""


class DilatedCentre(nn.Module):
    """Six dilated convolutions in sequence, whose outputs are summed.

    Args:
        inputs: Number of input channels.
        outputs: Number of output channels.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            convolution(inputs if rate == 1 else outputs, outputs, rate=rate) for rate in RATES
        )

    def forward(self, maps: Tensor) -> Tensor:
        """Map ``[B, inputs, H, W]`` to ``[B, outputs, H, W]``."""
        outputs = []
        for layer in self.layers:
            maps = layer(maps)
            outputs.append(maps)
        return torch.stack(outputs).sum(0)


class DenseBlock(nn.Module):
    """Four convolutions, each on the outputs of all earlier ones, and a 1×1 transition.

    Args:
        inputs: Number of input channels.
        outputs: Number of output channels of the transition.
        growth: Number of channels that each convolution adds.
    """

    def __init__(self, inputs: int, outputs: int, growth: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(convolution(inputs + i * growth, growth) for i in range(4))
        self.transition = convolution(inputs + 4 * growth, outputs, kernel=1)

    def forward(self, maps: Tensor) -> Tensor:
        """Map ``[B, inputs, H, W]`` to ``[B, outputs, H, W]``."""
        for layer in self.layers:
            maps = torch.cat([maps, layer(maps)], dim=1)
        transition: Tensor = self.transition(maps)
        return transition


class UNet(nn.Module):
    """An encoder of five levels, a centre, and a decoder with skip connections to the encoder.

    Args:
        width: Number of channels of the first level, doubled at every further one. Published: 32.
        centre: ``plain`` (two convolutions) or ``dilated``.
        dense: Whether the encoder's levels are dense blocks.
    """

    def __init__(self, width: int = 32, centre: Centre = "plain", dense: bool = False) -> None:
        super().__init__()
        widths = [width * 2**level for level in range(LEVELS)]
        inputs = [3, *widths[:-1]]
        self.encoder = nn.ModuleList(
            DenseBlock(before, after, max(1, growth * width // 32))
            if dense
            else _double(before, after)
            for before, after, growth in zip(inputs, widths, GROWTHS, strict=True)
        )
        deepest = widths[-1] if centre == "dilated" else 2 * widths[-1]
        self.centre = (
            DilatedCentre(widths[-1], deepest)
            if centre == "dilated"
            else _double(widths[-1], deepest)
        )
        above: Sequence[int] = [deepest, *reversed(widths[1:])]
        self.decoder = nn.ModuleList(
            nn.Sequential(
                convolution(below + own, own), convolution(own, own), convolution(own, own)
            )
            for below, own in zip(above, reversed(widths), strict=True)
        )
        self.predict = nn.Conv2d(width, 1, kernel_size=1)

    def forward(self, images: Tensor) -> Tensor:
        """Return logits ``[B, 1, H, W]`` of images ``[B, 3, H, W]`` in [0, 1]."""
        height, width = images.shape[-2:]
        maps = pad_to_multiple(2 * images - 1, 2**LEVELS)
        levels = []
        for layer in self.encoder:
            maps = layer(maps)
            levels.append(maps)
            maps = F.max_pool2d(maps, 2)
        maps = self.centre(maps)
        for layer, level in zip(self.decoder, reversed(levels), strict=True):
            maps = layer(torch.cat([F.interpolate(maps, scale_factor=2.0), level], dim=1))
        logits: Tensor = self.predict(maps)
        return logits[..., :height, :width]


def _double(inputs: int, outputs: int) -> nn.Sequential:
    """Build two convolutions in sequence."""
    return nn.Sequential(convolution(inputs, outputs), convolution(outputs, outputs))
