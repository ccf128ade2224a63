"""A small decoder on the features of the patches alone."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class ChannelDropout(nn.Module):
    """Leaves out whole channels in training, the same ones for all images of a step.

    What is left out follows from a count of the training steps, which checkpoints keep: a resumed
    run goes on as if it had not been interrupted, and several processes compute what one would.

    Args:
        share: Probability that a channel is left out, in [0, 1).
        seed: Decides, with the count, which.
    """

    def __init__(self, share: float, seed: int = 0) -> None:
        super().__init__()
        self.share = share
        self.seed = seed
        self.steps: Tensor
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))

    def forward(self, maps: Tensor) -> Tensor:
        """Return maps ``[B, C, H, W]``; in training, those kept are scaled to the same mean."""
        if not self.training or not self.share:
            return maps
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + int(self.steps))
        self.steps += 1
        kept = torch.rand(maps.shape[1], generator=generator) >= self.share
        return maps * (kept / (1 - self.share)).to(maps).view(1, -1, 1, 1)


class PatchDecoder(nn.Module):
    """Mix the channels of each patch, then look at its neighbours.

    Args:
        channels: Of the features.
        width: Channels it works with.
        layers: Convolutions over neighbouring patches, each added to what it read.
        kernel: Their side in patches, odd.
        dropout: Share of the features' channels that is left out in training.
    """

    def __init__(
        self, channels: int, width: int, layers: int = 1, kernel: int = 3, dropout: float = 0.3
    ) -> None:
        super().__init__()
        self.dropout = ChannelDropout(dropout)
        self.mix = nn.Conv2d(channels, width, kernel_size=1)
        self.around = nn.ModuleList(
            nn.Conv2d(width, width, kernel, padding=kernel // 2) for _ in range(layers)
        )

    def forward(self, features: Sequence[Tensor]) -> list[Tensor]:
        """Decode the finest level.

        Args:
            features: ``[B, C, h, w]`` of the patches, in a list of one.

        Returns:
            ``[B, width, h, w]``, in a list of one.
        """
        maps = F.gelu(self.mix(self.dropout(features[0])))
        for layer in self.around:
            maps = maps + F.gelu(layer(maps))
        return [maps]
