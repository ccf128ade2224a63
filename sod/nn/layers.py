"""Small pieces that networks share."""

from math import gcd

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sod.core.distributed import rank_and_count


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


class ChannelDropout(nn.Module):
    """Leave channels out in training, alike after a resumption and for any number of processes.

    What is left out follows from a seed and the number of training batches, both of which are
    stored, and from the place of each sample in the batch of all processes together.

    Args:
        share: of the channels, in [0, 1); the rest is scaled up to make up for them.
    """

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share
        self.seed: Tensor
        self.batches: Tensor
        self.register_buffer("seed", torch.randint(2**31, ()))
        self.register_buffer("batches", torch.zeros((), dtype=torch.int64))

    def forward(self, features: Tensor) -> Tensor:
        """Return features of the same shape ``[B, C, H, W]``."""
        if not self.training or not self.share:
            return features
        rank, processes = rank_and_count()
        generator = torch.Generator().manual_seed(int(self.seed) + 2**31 * int(self.batches))
        self.batches += 1
        drawn = torch.rand(len(features) * processes, features.shape[1], generator=generator)
        kept = (drawn[rank::processes] >= self.share).to(features) / (1 - self.share)
        return features * kept[..., None, None]


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
