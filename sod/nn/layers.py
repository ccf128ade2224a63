"""Layers shared by the networks."""

from math import gcd

import torch
from torch import Tensor, nn

from sod.core.distributed import rank_and_world_size


def convolution(
    inputs: int, outputs: int, kernel: int = 3, stride: int = 1, rate: int = 1
) -> nn.Sequential:
    """Build a convolution with group norm and ReLU, which keeps the size at stride 1.

    A group has about eight channels: even a single position of a single image can be normalised.

    Args:
        inputs: Number of input channels.
        outputs: Number of output channels.
        kernel: Side of the kernel, odd.
        stride: Stride in pixels.
        rate: Dilation of the kernel.
    """
    padding = rate * (kernel // 2)
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, padding, dilation=rate, bias=False),
        nn.GroupNorm(gcd(outputs, max(1, outputs // 8)), outputs),
        nn.ReLU(),
    )


class ChannelDropout(nn.Module):
    """Dropout of whole channels that is reproducible across resumptions and world sizes.

    The random numbers depend on a seed and the number of training batches, both of which are
    stored in checkpoints, and on the index of each sample in the global batch of all processes.

    Args:
        share: Probability that a channel is set to zero, in [0, 1); the others are scaled up by
            ``1 / (1 - share)``.
    """

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share
        self.seed: Tensor
        self.batches: Tensor
        self.register_buffer("seed", torch.randint(2**31, ()))
        self.register_buffer("batches", torch.zeros((), dtype=torch.int64))

    def forward(self, features: Tensor) -> Tensor:
        """Return features ``[B, C, H, W]`` with dropped channels in training mode."""
        if not self.training or not self.share:
            return features
        rank, world_size = rank_and_world_size()
        generator = torch.Generator().manual_seed(int(self.seed) + 2**31 * int(self.batches))
        self.batches += 1
        drawn = torch.rand(len(features) * world_size, features.shape[1], generator=generator)
        kept = (drawn[rank::world_size] >= self.share).to(features) / (1 - self.share)
        return features * kept[..., None, None]
