"""Cascade decoder: a pyramid decoded from coarse to fine, with attention on its deepest level."""

from collections.abc import Sequence
from itertools import pairwise
from math import ceil, sqrt

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sod.core.errors import SodError
from sod.nn.layers import ChannelDropout, convolution
from sod.nn.resize import resize


class RelationBlock(nn.Module):
    """Long-range relations: multi-head attention over all positions, with a residual connection.

    A non-local block (Wang et al., CVPR 2018) with several heads. The output projection is
    initialised to zero, so that an untrained block returns its input. With more than ``max_keys``
    positions, keys and values are computed on averages over squares, which bounds the cost.

    Args:
        channels: Number of channels of the features, a multiple of ``heads``.
        heads: Number of attention heads.
        max_keys: Maximum number of keys, up to rounding at the border.
    """

    def __init__(self, channels: int, heads: int = 4, max_keys: int = 2048) -> None:
        super().__init__()
        if channels % heads:
            raise SodError(f"width: {channels} is not a multiple of the {heads} relation heads")
        self.heads = heads
        self.max_keys = max_keys
        self.norm = nn.GroupNorm(1, channels)
        self.queries = nn.Conv2d(channels, channels, kernel_size=1)
        self.keys_values = nn.Conv2d(channels, 2 * channels, kernel_size=1)
        self.output = nn.Conv2d(channels, channels, kernel_size=1)
        for parameter in self.output.parameters():
            nn.init.zeros_(parameter)

    def forward(self, features: Tensor) -> Tensor:
        """Return features of the same shape ``[B, C, H, W]``."""
        normed = self.norm(features)
        side = ceil(sqrt(features.shape[-2] * features.shape[-1] / self.max_keys))
        pooled = F.avg_pool2d(normed, side, ceil_mode=True) if side > 1 else normed
        keys, values = self.keys_values(pooled).chunk(2, dim=1)
        attended = F.scaled_dot_product_attention(
            self._split(self.queries(normed)), self._split(keys), self._split(values)
        )
        related: Tensor = self.output(attended.transpose(-1, -2).reshape(features.shape))
        return features + related

    def _split(self, maps: Tensor) -> Tensor:
        """Reshape maps ``[B, C, H, W]`` to ``[B, heads, H * W, C / heads]``."""
        batch, channels, height, width = maps.shape
        heads = maps.reshape(batch, self.heads, channels // self.heads, height * width)
        # The memory-efficient attention kernels need a contiguous last axis.
        return heads.transpose(-1, -2).contiguous()


class RelationLayer(nn.Module):
    """A transformer layer: local convolution, attention over all positions, and an MLP.

    The depthwise convolution replaces position embeddings, so that any size is accepted.

    Args:
        channels: Number of channels of the features, a multiple of four.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.near = nn.Conv2d(channels, channels, 3, padding=1, groups=channels)
        self.far = RelationBlock(channels)
        self.norm = nn.GroupNorm(1, channels)
        self.widen = nn.Conv2d(channels, 2 * channels, kernel_size=1)
        self.narrow = nn.Conv2d(2 * channels, channels, kernel_size=1)
        for parameter in self.narrow.parameters():
            nn.init.zeros_(parameter)

    def forward(self, features: Tensor) -> Tensor:
        """Return features of the same shape ``[B, C, H, W]``."""
        features = self.far(features + self.near(features))
        added: Tensor = self.narrow(F.gelu(self.widen(self.norm(features))))
        return features + added


class Cascade(nn.Module):
    """Decoder of a pyramid in which each level refines the upsampled output of the coarser one.

    Args:
        channels: Number of channels of each level, the finest first.
        width: Number of channels of the decoder.
        relation: Whether the deepest level has a relation block.
        layers: Number of relation layers after it.
        dropout: Share of the channels of the deepest level that are dropped in training.
        widths: Number of channels of each decoded level, the finest first; the last is ``width``.
            None: ``width`` for all.
    """

    def __init__(
        self,
        channels: Sequence[int],
        width: int = 32,
        relation: bool = True,
        layers: int = 0,
        dropout: float = 0.0,
        widths: Sequence[int] | None = None,
    ) -> None:
        super().__init__()
        widths = widths or [width] * len(channels)
        self.dropout = ChannelDropout(dropout)
        self.laterals = nn.ModuleList(
            convolution(count, outputs, kernel=1)
            for count, outputs in zip(channels, widths, strict=True)
        )
        self.relation = RelationBlock(width) if relation else nn.Identity()
        self.layers = nn.Sequential(*(RelationLayer(width) for _ in range(layers)))
        self.fusions = nn.ModuleList(convolution(2 * each, each) for each in widths[:-1])
        self.narrowings = nn.ModuleList(
            nn.Identity() if coarse == fine else convolution(coarse, fine, kernel=1)
            for fine, coarse in pairwise(widths)
        )

    def forward(self, features: Sequence[Tensor]) -> list[Tensor]:
        """Decode a pyramid.

        Args:
            features: ``[B, C_i, H_i, W_i]`` of each level, the finest first.

        Returns:
            ``[B, widths_i, H_i, W_i]`` of each level, the finest first.
        """
        features = [*features[:-1], self.dropout(features[-1])]
        levels = [lateral(maps) for lateral, maps in zip(self.laterals, features, strict=True)]
        decoded = [self.layers(self.relation(levels[-1]))]
        for i in reversed(range(len(self.fusions))):
            level, fusion, narrowing = levels[i], self.fusions[i], self.narrowings[i]
            context = resize(narrowing(decoded[0]), (level.shape[-2], level.shape[-1]))
            decoded.insert(0, context + fusion(torch.cat([level, context], dim=1)))
        return decoded
