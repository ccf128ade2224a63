"""The cascade network: pyramid, decoder and head, on images of any size."""

from collections.abc import Sequence
from math import ceil
from typing import Literal

import torch.nn.functional as F
from torch import Tensor, nn

from sod.connectivity import full_precision
from sod.nn.cascade import Cascade
from sod.nn.heads import HeadConfig, build_head
from sod.nn.layers import pad_to_multiple, resize
from sod.nn.patch_decoder import PatchDecoder
from sod.nn.pyramid import Pyramid

Resolution = Literal["image", "grid"]
Decoder = Literal["cascade", "patches", "linear"]

SHARES = (1.0, 0.8, 0.6, 0.4)
"""Weight of the loss of each level under deep supervision, the finest first; then the last one."""


class CascadeNetwork(nn.Module):
    """Predict saliency from coarse to fine.

    Args:
        pyramid: the features; image sides are padded to what it needs and cropped again.
        head: what is predicted, for every level alike.
        width: channels of the decoder, a multiple of four.
        relation: whether the deep level has long-range relations.
        deep_supervision: whether the coarser levels are trained on the masks too.
        resolution: where logits and masks meet: at the size of the ``image`` (published), or on
            the ``grid`` of each level, which trains several times faster; a cube then links
            neighbours of the grid.
        decoder: the ``cascade``; a small one on the ``patches``, the pyramid's finest level; or
            none at all, a ``linear`` head on that level. The last two are without relations and
            deep supervision.
    """

    def __init__(
        self,
        pyramid: Pyramid,
        head: HeadConfig | None = None,
        width: int = 32,
        relation: bool = True,
        deep_supervision: bool = False,
        resolution: Resolution = "image",
        decoder: Decoder = "cascade",
    ) -> None:
        super().__init__()
        config = HeadConfig() if head is None else head
        deep = deep_supervision and decoder == "cascade"
        sides = len(pyramid.strides) - 1 if deep else 0
        self.pyramid = pyramid
        self.cascade: nn.Module = nn.Identity()
        if decoder == "cascade":
            self.cascade = Cascade(pyramid.channels, width, relation)
        elif decoder == "patches":
            self.cascade = PatchDecoder(pyramid.channels[0], width)
        self.head = build_head(config, pyramid.channels[0] if decoder == "linear" else width)
        self.sides = nn.ModuleList(build_head(config, width) for _ in range(sides))
        self.resolution: Resolution = resolution

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
        if self.resolution == "grid":
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
        if self.resolution == "image":
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
                cell is salient where the mean of its pixels is above one half.
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
        if self.resolution == "grid":
            stride = self.pyramid.strides[level]
            targets = to_grid(targets, stride) > 0.5
            pixel_weights = None if pixel_weights is None else to_grid(pixel_weights, stride)
        return self.head.losses(logits, targets, pixel_weights, image_weights)


def to_grid(maps: Tensor, stride: int) -> Tensor:
    """Return the mean of each cell, ``[B, C, ceil(H / stride), ceil(W / stride)]``.

    Cells that reach over the border count its last row and column again.
    """
    return F.avg_pool2d(pad_to_multiple(full_precision(maps), stride), stride)
