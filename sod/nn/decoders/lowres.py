"""LowRes-Net: a small soft mask of an image (Croitoru et al., ICCV 2017)."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sod.nn.layers import convolution

SIDE, OUTPUT = 128, 32
"""Sides in pixels of the input image and of the predicted mask."""


class LowResNet(nn.Module):
    """Branches for colours, gradients and hue, a common trunk, and a fully connected layer.

    A ``width`` of 256 gives the published widths. Unlike in the published network, there are group
    norms, and the output is a logit.

    Args:
        width: Number of channels of the convolutions, a multiple of four.
    """

    def __init__(self, width: int = 256) -> None:
        super().__init__()
        self.branches = nn.ModuleList(
            nn.Sequential(
                convolution(channels, width), convolution(width, width, 5), nn.MaxPool2d(2)
            )
            for channels in (3, 2, 1)
        )
        self.trunk = nn.Sequential(
            convolution(3 * width, width),
            convolution(width, width, 5),
            nn.MaxPool2d(2),
            convolution(width, width),
            convolution(width, width, 5),
            convolution(width, width // 4, 5),
            nn.Flatten(),
            nn.Linear(width // 4 * OUTPUT**2, OUTPUT**2),
        )

    def forward(self, images: Tensor) -> Tensor:
        """Return logits ``[B, 1, 32, 32]`` of images ``[B, 3, H, W]`` in [0, 1], of any size."""
        small = F.interpolate(images.float(), (SIDE, SIDE), mode="bilinear", antialias=True)
        parts = (2 * small - 1, gradients(small), hue(small))
        maps = [
            branch(part.to(images.dtype)) for branch, part in zip(self.branches, parts, strict=True)
        ]
        logits: Tensor = self.trunk(torch.cat(maps, dim=1))
        return logits.view(-1, 1, OUTPUT, OUTPUT)


def gradients(images: Tensor) -> Tensor:
    """Return horizontal and vertical central differences of the mean colour, ``[B, 2, H, W]``.

    Args:
        images: ``[B, 3, H, W]`` in [0, 1]; the border pixels are repeated outside.
    """
    grey = images.mean(1, keepdim=True)
    padded = F.pad(grey, (1, 1, 1, 1), mode="replicate")
    across = padded[..., 1:-1, 2:] - padded[..., 1:-1, :-2]
    down = padded[..., 2:, 1:-1] - padded[..., :-2, 1:-1]
    return torch.cat([across, down], dim=1)


def hue(images: Tensor) -> Tensor:
    """Return the hue of each pixel in [0, 1), 0 for greys, ``[B, 1, H, W]``.

    Args:
        images: RGB ``[B, 3, H, W]`` in [0, 1].
    """
    red, green, blue = images.unbind(1)
    largest, which = images.max(1)
    spread = largest - images.amin(1)
    safe = spread.clamp(min=1e-8)
    sixths = torch.stack(
        [(green - blue) / safe, (blue - red) / safe + 2, (red - green) / safe + 4], dim=1
    )
    chosen = sixths.gather(1, which[:, None]) / 6 % 1
    return torch.where(spread[:, None] > 0, chosen, 0.0)
