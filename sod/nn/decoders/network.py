"""The cascade network: pyramid, decoder and head, on images of any size."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import Literal

import torch.nn.functional as F
from torch import Tensor, nn

from sod.core.errors import SodError
from sod.nn.backbones.build import BackboneConfig
from sod.nn.backbones.pyramid import FINEST, Pyramid, build_pyramid
from sod.nn.connectivity.cube import full_precision
from sod.nn.decoders.cascade import Cascade
from sod.nn.decoders.heads import HeadConfig, build_head
from sod.nn.layers import pad_to_multiple, resize

Resolution = Literal["image", "grid"]
Decoder = Literal["cascade", "linear"]

SHARES = (1.0, 0.8, 0.6, 0.4)
"""Weight of the loss of each level under deep supervision, the finest first; then the last one."""


@dataclass(frozen=True)
class NetworkConfig:
    """The network between backbone and head.

    Args:
        decoder: ``cascade`` (coarse to fine, published in kind) or a ``linear`` head on the
            features of the patches, for which nothing below but ``resolution``, ``soft`` and
            ``standardise`` counts.
        width: Channels of the cascade, a multiple of four.
        relation: Long-range relations on the deep level (published).
        layers: Further layers on the deep level, each of near and long-range relations.
        dropout: Share of the deep level's channels that training leaves out.
        merge: Make all features of a transformer one deep level, instead of one level each.
        finest: Stride in pixels of the finest level beside a transformer; no finer levels than the
            patches where it is theirs.
        deep_supervision: Also train the coarser levels on the masks.
        resolution: Where logits and masks meet: at the size of the ``image`` (published) or on the
            ``grid`` of each level, which trains several times faster; a cube then links neighbours
            of the grid.
        soft: A cell of the grid learns the share of its pixels that are salient, instead of whether
            they are more than half.
        standardise: Standardise the channels of a transformer's features.
    """

    decoder: Decoder = "cascade"
    width: int = 32
    relation: bool = True
    layers: int = 0
    dropout: float = 0.0
    merge: bool = False
    finest: int = FINEST
    deep_supervision: bool = False
    resolution: Resolution = "grid"
    soft: bool = False
    standardise: bool = True

    def __post_init__(self) -> None:
        """Refuse values that mean nothing, naming the field."""
        if not 0 <= self.dropout < 1:
            raise SodError(f"network.dropout: {self.dropout} is not in [0, 1)")
        if self.layers < 0:
            raise SodError(f"network.layers: {self.layers} is below 0")


class CascadeNetwork(nn.Module):
    """Predict saliency from coarse to fine.

    Args:
        pyramid: the features; image sides are padded to what it needs and cropped again.
        head: what is predicted, for every level alike.
        config: the rest; a ``linear`` head sits on the pyramid's finest level.
    """

    def __init__(
        self, pyramid: Pyramid, head: HeadConfig | None = None, config: NetworkConfig | None = None
    ) -> None:
        super().__init__()
        head = HeadConfig() if head is None else head
        self.config = config = NetworkConfig() if config is None else config
        self.pyramid = pyramid
        self.cascade: nn.Module = nn.Identity()
        channels, sides = pyramid.channels[0], 0
        if config.decoder == "cascade":
            channels, sides = config.width, len(pyramid.strides) - 1
            self.cascade = Cascade(
                pyramid.channels, config.width, config.relation, config.layers, config.dropout
            )
        self.head = build_head(head, channels)
        sides = sides if config.deep_supervision else 0
        self.sides = nn.ModuleList(build_head(head, channels) for _ in range(sides))

    def forward(self, images: Tensor) -> list[Tensor]:
        """Return logits, the finest level first; the coarser ones in training mode only.

        Args:
            images: RGB ``[B, 3, H, W]`` in [0, 1].

        Returns:
            ``[B, outputs, H, W]``, or on the grid ``[B, outputs, ceil(H / s), ceil(W / s)]`` with
            the stride ``s`` of each level.
        """
        height, width = images.shape[-2:]
        padded = pad_to_multiple(images, self.pyramid.multiple)
        decoded = self.cascade(self.pyramid(padded))
        heads = [self.head, *self.sides] if self.training else [self.head]
        logits = [head(maps) for head, maps in zip(heads, decoded, strict=False)]
        if self.config.resolution == "grid":
            strides = self.pyramid.strides
            return [
                maps[..., : ceil(height / stride), : ceil(width / stride)]
                for maps, stride in zip(logits, strides, strict=False)
            ]
        size = (padded.shape[-2], padded.shape[-1])
        return [resize(maps, size)[..., :height, :width] for maps in logits]

    def saliency(self, images: Tensor) -> Tensor:
        """Return saliency ``[B, 1, H, W]`` in [0, 1] of images ``[B, 3, H, W]``."""
        saliency: Tensor = self.head.saliency(self(images)[0])
        if self.config.resolution == "image":
            return saliency
        stride, (rows, columns) = self.pyramid.strides[0], saliency.shape[-2:]
        height, width = images.shape[-2:]
        return resize(saliency, (rows * stride, columns * stride))[..., :height, :width]

    def losses(
        self,
        logits: Sequence[Tensor],
        targets: Tensor,
        pixel_weights: Tensor | None = None,
        image_weights: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """Return the loss and its terms.

        Args:
            logits: what a call of the network gave.
            targets: masks ``[B, 1, H, W]`` in [0, 1] at the size of the images. On the grid, a
                cell is salient where the mean of its pixels is above one half, or to the degree
                of that mean (``soft``).
            pixel_weights: trust in the labels, ``[B, 1, H, W]``, or None.
            image_weights: trust in the images, ``[B]``, or None.

        Returns:
            ``loss``, the terms of the finest level, and the loss ``side1``, ``side2``, ... of each
            coarser one.
        """
        terms = self._level_losses(0, logits[0], targets, pixel_weights, image_weights)
        total = terms["loss"]
        for level, maps in enumerate(logits[1:], start=1):
            side = self._level_losses(level, maps, targets, pixel_weights, image_weights)["loss"]
            total = total + SHARES[min(level, len(SHARES) - 1)] * side
            terms[f"side{level}"] = side
        return {**terms, "loss": total}

    def _level_losses(
        self,
        level: int,
        logits: Tensor,
        targets: Tensor,
        pixel_weights: Tensor | None,
        image_weights: Tensor | None,
    ) -> dict[str, Tensor]:
        if self.config.resolution == "grid":
            stride = self.pyramid.strides[level]
            shares = to_grid(targets, stride)
            targets = shares if self.config.soft else shares > 0.5
            pixel_weights = None if pixel_weights is None else to_grid(pixel_weights, stride)
        return self.head.losses(logits, targets, pixel_weights, image_weights)


def to_grid(maps: Tensor, stride: int) -> Tensor:
    """Return the mean of each cell, ``[B, C, ceil(H / stride), ceil(W / stride)]``.

    Cells that reach over the border count its last row and column again.
    """
    return F.avg_pool2d(pad_to_multiple(full_precision(maps), stride), stride)


def build_network(
    backbone: BackboneConfig, config: NetworkConfig, head: HeadConfig, freeze_norm: bool = True
) -> CascadeNetwork:
    """Build the network on a backbone.

    Args:
        backbone: its ``block`` and ``more`` are the levels of a transformer.
        config: of the decoder.
        head: what is predicted.
        freeze_norm: whether the batch norms of a CNN keep their statistics.

    Raises:
        SodError: if a model, its weights or an option do not exist or do not fit.
    """
    pyramid = build_pyramid(
        backbone,
        config.width,
        freeze_norm=freeze_norm,
        standardise=config.standardise,
        stem=config.decoder == "cascade",
        finest=config.finest,
        merge=config.merge,
    )
    return CascadeNetwork(pyramid, head, config)
