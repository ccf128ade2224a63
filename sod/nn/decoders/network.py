"""Cascade network: pyramid, decoder and head, for images of any size."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import Literal

import torch.nn.functional as F
from torch import Tensor, nn

from sod.core.errors import SodError
from sod.core.precision import full_precision
from sod.nn.backbones.build import BackboneConfig
from sod.nn.backbones.build_pyramid import build_pyramid
from sod.nn.backbones.pyramid import FINEST, Pyramid, level_widths
from sod.nn.decoders.cascade import Cascade
from sod.nn.decoders.heads import HeadConfig, build_head
from sod.nn.resize import pad_to_multiple, resize

Resolution = Literal["image", "grid"]
Decoder = Literal["cascade", "linear"]

SHARES = (1.0, 0.8, 0.6, 0.4)
"""Loss weights of the levels under deep supervision, finest first; further levels use the last."""


@dataclass(frozen=True)
class NetworkConfig:
    """Configuration of the network between backbone and head.

    Args:
        decoder: ``cascade`` (coarse to fine, similar to the published one) or a ``linear`` head on
            the patch features, which uses only ``resolution``, ``soft`` and ``standardise`` below.
        width: Number of channels of the cascade, a multiple of four.
        relation: Use attention over all positions of the deepest level (published).
        layers: Number of further transformer layers on the deepest level.
        dropout: Share of the deepest level's channels that are dropped in training.
        merge: Concatenate all features of a transformer to one level, instead of one level each.
        finest: Stride in pixels of the finest level of a transformer's pyramid; at the patch size
            there are no levels finer than the patches.
        taper: Halve the channels of stem and decoder with each level of half the stride: fine
            levels cost little then.
        deep_supervision: Also train the coarser levels on the masks.
        resolution: Where logits and masks are compared: at the size of the ``image`` (published) or
            on the ``grid`` of each level, which trains several times faster; a cube then connects
            neighbouring cells of the grid.
        soft: The target of a grid cell is the share of its pixels that are salient, instead of
            whether more than half of them are.
        standardise: Standardise the channels of a transformer's features.
    """

    decoder: Decoder = "cascade"
    width: int = 32
    relation: bool = True
    layers: int = 0
    dropout: float = 0.0
    merge: bool = False
    finest: int = FINEST
    taper: bool = False
    deep_supervision: bool = False
    resolution: Resolution = "grid"
    soft: bool = False
    standardise: bool = True

    def __post_init__(self) -> None:
        """Raise an error that names the field of an invalid value."""
        if not 0 <= self.dropout < 1:
            raise SodError(f"network.dropout: {self.dropout} is not in [0, 1)")
        if self.layers < 0:
            raise SodError(f"network.layers: {self.layers} is below 0")


class CascadeNetwork(nn.Module):
    """Saliency network of a pyramid, a decoder and one head per supervised level.

    Args:
        pyramid: The feature pyramid; images are padded to its multiple and outputs cropped again.
        head: Configuration of the heads, the same for every level.
        config: Configuration of the decoder; ``linear`` puts the head on the finest level.
    """

    def __init__(
        self, pyramid: Pyramid, head: HeadConfig | None = None, config: NetworkConfig | None = None
    ) -> None:
        super().__init__()
        head = HeadConfig() if head is None else head
        self.config = config = NetworkConfig() if config is None else config
        self.pyramid = pyramid
        self.cascade: nn.Module = nn.Identity()
        widths = [pyramid.channels[0]]
        if config.decoder == "cascade":
            widths = level_widths(pyramid.strides, config.width, config.taper)
            self.cascade = Cascade(
                pyramid.channels,
                config.width,
                config.relation,
                config.layers,
                config.dropout,
                widths,
            )
        self.head = build_head(head, widths[0])
        supervised = widths[1:] if config.deep_supervision else []
        self.sides = nn.ModuleList(build_head(head, each) for each in supervised)

    def forward(self, images: Tensor) -> list[Tensor]:
        """Return the logits of the finest level and, in training mode, of the coarser ones.

        Args:
            images: RGB ``[B, 3, H, W]`` in [0, 1].

        Returns:
            For each level, the finest first, ``[B, outputs, H, W]``, or on the grid
            ``[B, outputs, ceil(H / s), ceil(W / s)]`` with the stride ``s`` of the level.
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
        """Return the loss and its terms, each a scalar.

        Args:
            logits: The output of :meth:`forward`.
            targets: Masks ``[B, 1, H, W]`` in [0, 1] at the size of the images. On the grid, the
                target of a cell is the mean of its pixels (``soft``), or whether that mean is
                above one half.
            pixel_weights: Weights of the pixels, ``[B, 1, H, W]``, or None.
            image_weights: Weights of the images, ``[B]``, or None.

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
        """Return the loss and the terms of one level, after reducing the masks to its grid."""
        if self.config.resolution == "grid":
            stride = self.pyramid.strides[level]
            shares = to_grid(targets, stride)
            targets = shares if self.config.soft else shares > 0.5
            pixel_weights = None if pixel_weights is None else to_grid(pixel_weights, stride)
        return self.head.losses(logits, targets, pixel_weights, image_weights)


def to_grid(maps: Tensor, stride: int) -> Tensor:
    """Average maps over grid cells to ``[B, C, ceil(H / stride), ceil(W / stride)]``.

    Cells that extend beyond the image repeat its last row and column.

    Args:
        maps: ``[B, C, H, W]``, of any type.
        stride: Side of a cell in pixels.
    """
    return F.avg_pool2d(pad_to_multiple(full_precision(maps), stride), stride)


def build_network(
    backbone: BackboneConfig, config: NetworkConfig, head: HeadConfig, freeze_norm: bool = True
) -> CascadeNetwork:
    """Build the network on a backbone.

    Args:
        backbone: The backbone; ``block`` and ``extra_features`` are the levels of a transformer.
        config: Configuration of the decoder.
        head: Configuration of the heads.
        freeze_norm: Whether the batch norms of a CNN keep their statistics.

    Raises:
        SodError: If a model, its weights or an option do not exist or do not fit.
    """
    pyramid = build_pyramid(
        backbone,
        config.width,
        freeze_norm=freeze_norm,
        standardise=config.standardise,
        stem=config.decoder == "cascade",
        finest=config.finest,
        merge=config.merge,
        taper=config.taper,
    )
    return CascadeNetwork(pyramid, head, config)
