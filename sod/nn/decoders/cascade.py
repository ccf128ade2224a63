"""The cascade decoder: a pyramid decoded from coarse to fine, with relations on its deep level."""

from collections.abc import Sequence
from math import ceil, sqrt

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sod.core.errors import SodError
from sod.nn.layers import ChannelDropout, convolution, resize


class RelationBlock(nn.Module):
    """Long-range relations: every position looks at every other, and adds what it found.

    A non-local block (Wang et al., CVPR 2018) with several heads. Its output starts at zero, so
    that an untrained block passes features on unchanged. Where there are more than ``places``
    positions, what is looked at is first averaged over squares, which bounds the cost.

    Args:
        channels: of the features; a multiple of ``heads``.
        heads: of the attention.
        places: positions that are looked at, at most.
    """

    def __init__(self, channels: int, heads: int = 4, places: int = 2048) -> None:
        super().__init__()
        if channels % heads:
            raise SodError(f"width: {channels} is not a multiple of the {heads} relation heads")
        self.heads = heads
        self.places = places
        self.norm = nn.GroupNorm(1, channels)
        self.queries = nn.Conv2d(channels, channels, kernel_size=1)
        self.keys_values = nn.Conv2d(channels, 2 * channels, kernel_size=1)
        self.output = nn.Conv2d(channels, channels, kernel_size=1)
        for parameter in self.output.parameters():
            nn.init.zeros_(parameter)

    def forward(self, features: Tensor) -> Tensor:
        """Return features of the same shape ``[B, C, H, W]``."""
        normed = self.norm(features)
        side = ceil(sqrt(features.shape[-2] * features.shape[-1] / self.places))
        seen = F.avg_pool2d(normed, side, ceil_mode=True) if side > 1 else normed
        keys, values = self.keys_values(seen).chunk(2, dim=1)
        found = F.scaled_dot_product_attention(
            self._split(self.queries(normed)), self._split(keys), self._split(values)
        )
        related: Tensor = self.output(found.transpose(-1, -2).reshape(features.shape))
        return features + related

    def _split(self, maps: Tensor) -> Tensor:
        batch, channels, height, width = maps.shape
        heads = maps.reshape(batch, self.heads, channels // self.heads, height * width)
        # The fast kernels of attention, which store no weights, want the last axis contiguous.
        return heads.transpose(-1, -2).contiguous()


class RelationLayer(nn.Module):
    """Near and far relations of each position, then a small network on each position.

    A transformer layer whose sense of place is a convolution, so that any size will do.

    Args:
        channels: of the features; a multiple of four.
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
    """Decode a pyramid: each level refines what the coarser one says, at its own resolution.

    Args:
        channels: of each level, the finest first.
        width: channels of the decoder.
        relation: whether the deepest level has a relation block.
        layers: relation layers behind it.
        dropout: share of the channels of the deepest level that training leaves out.
    """

    def __init__(
        self,
        channels: Sequence[int],
        width: int = 32,
        relation: bool = True,
        layers: int = 0,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.dropout = ChannelDropout(dropout)
        self.laterals = nn.ModuleList(convolution(count, width, kernel=1) for count in channels)
        self.relation = RelationBlock(width) if relation else nn.Identity()
        self.layers = nn.Sequential(*(RelationLayer(width) for _ in range(layers)))
        self.fusions = nn.ModuleList(convolution(2 * width, width) for _ in channels[1:])

    def forward(self, features: Sequence[Tensor]) -> list[Tensor]:
        """Decode.

        Args:
            features: ``[B, C_i, H_i, W_i]``, the finest first.

        Returns:
            ``[B, width, H_i, W_i]`` of each level, the finest first.
        """
        features = [*features[:-1], self.dropout(features[-1])]
        levels = [lateral(maps) for lateral, maps in zip(self.laterals, features, strict=True)]
        decoded = [self.layers(self.relation(levels[-1]))]
        for fusion, level in zip(reversed(self.fusions), reversed(levels[:-1]), strict=True):
            context = resize(decoded[0], (level.shape[-2], level.shape[-1]))
            decoded.insert(0, context + fusion(torch.cat([level, context], dim=1)))
        return decoded
