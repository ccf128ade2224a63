"""Feature pyramids of CNNs and plain vision transformers, with a common interface."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from math import lcm
from typing import Any

import torch
from torch import Tensor, nn
from typing_extensions import Self

from sod.core.errors import SodError
from sod.nn.backbones.base import Backbone
from sod.nn.layers import convolution

FINEST = 4
"""Stride of the finest level in pixels."""


class Pyramid(nn.Module, ABC):
    """Base class of feature pyramids: feature maps at several strides, the finest first.

    Args:
        channels: Number of channels of each level.
        strides: Stride of each level in pixels, non-decreasing.
    """

    def __init__(self, channels: Sequence[int], strides: Sequence[int]) -> None:
        super().__init__()
        self.channels = tuple(channels)
        self.strides = tuple(strides)

    @property
    def multiple(self) -> int:
        """Number of pixels of which both image sides must be multiples."""
        return lcm(*self.strides)

    @abstractmethod
    def forward(self, images: Tensor) -> list[Tensor]:
        """Return the feature maps ``[B, channels[i], H / strides[i], W / strides[i]]``.

        Args:
            images: RGB ``[B, 3, H, W]`` in [0, 1]; H and W are multiples of ``multiple``.
        """


class CnnPyramid(Pyramid):
    """The stages of a timm CNN from stride 4 on.

    Args:
        model: A timm model with ``forward_intermediates``; it is modified and loses its head.
        trainable: Whether it is trained; otherwise it stays in evaluation mode, without gradients.
        freeze_norm: Whether batch norms keep the statistics of the loaded weights, as suits the
            small batches of dense prediction; choose False to train from scratch.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, model: Any, trainable: bool = True, freeze_norm: bool = True) -> None:  # noqa: ANN401
        stages = model.feature_info
        levels = [i for i, stage in enumerate(stages) if stage["reduction"] >= FINEST]
        channels = [stages[i]["num_chs"] for i in levels]
        super().__init__(channels, [stages[i]["reduction"] for i in levels])
        model.prune_intermediate_layers(levels, prune_norm=True, prune_head=True)
        self.levels = levels
        self.body = model.requires_grad_(trainable)
        self.trainable = trainable
        self.freeze_norm = freeze_norm
        for name in ("mean", "std"):
            value = torch.tensor(model.pretrained_cfg[name]).view(3, 1, 1)
            self.register_buffer(name, value, persistent=False)
        self.train(self.training)

    def forward(self, images: Tensor) -> list[Tensor]:
        """Return the feature maps of the stages, the finest first."""
        images = (images - self.mean) / self.std
        with torch.set_grad_enabled(self.trainable and torch.is_grad_enabled()):
            return list(
                self.body.forward_intermediates(
                    images, indices=self.levels, intermediates_only=True
                )
            )

    def train(self, mode: bool = True) -> Self:
        """Set the mode of all parts that are not frozen."""
        super().train(mode)
        if not self.trainable:
            self.body.eval()
        elif self.freeze_norm:
            for module in self.body.modules():
                if isinstance(module, nn.BatchNorm2d):
                    module.eval()
        return self


class TokenPyramid(Pyramid):
    """Several blocks of a frozen transformer, and a small convolutional stem for finer levels.

    All tokens have the resolution of the patches. The stem reads the image itself and provides
    the outlines, at strides 4, 8, ... below the patch size.

    Args:
        backbone: A backbone whose channels hold the features of ``levels`` blocks, the shallowest
            first.
        levels: Number of blocks.
        width: Number of channels of the stem's levels.
        finest: Stride of the finest level in pixels, a power of two from 4 on; there is no stem
            if it is not below the patch size.
        taper: Whether finer levels are narrower, as :func:`level_widths` has it.

    Raises:
        SodError: If the channels cannot be split into that many levels, or the stride is invalid.
    """

    def __init__(
        self,
        backbone: Backbone,
        levels: int = 1,
        width: int = 32,
        finest: int = FINEST,
        taper: bool = False,
    ) -> None:
        if backbone.channels % levels:
            raise SodError(
                f"backbone.extra_features: {backbone.channels} channels cannot be split into "
                f"{levels} features of one width"
            )
        stem_strides = _stem_strides(backbone.patch_size, finest)
        strides = stem_strides + [backbone.patch_size] * levels
        finer = len(stem_strides)
        widths = level_widths(strides, width, taper)[:finer]
        super().__init__(widths + [backbone.channels // levels] * levels, strides)
        self.backbone = backbone
        self.count = levels
        self.start = _first_layers(widths[0], finest) if finer else nn.Identity()
        inputs = [widths[0] // 2, *widths] if finer else []
        self.stem = nn.ModuleList(convolution(inputs[i], widths[i], stride=2) for i in range(finer))

    def forward(self, images: Tensor) -> list[Tensor]:
        """Return the levels of the stem, then those of the blocks, the shallowest first."""
        with torch.no_grad():
            tokens = self.backbone.features(images)
        levels = []
        maps = self.start(2 * images - 1)
        for layer in self.stem:
            maps = layer(maps)
            levels.append(maps)
        return levels + list(tokens.chunk(self.count, dim=1))


class PatchPyramid(Pyramid):
    """The features of a frozen backbone as a single level, at the stride of its patches.

    Args:
        backbone: The frozen backbone.
    """

    def __init__(self, backbone: Backbone) -> None:
        super().__init__([backbone.channels], [backbone.patch_size])
        self.backbone = backbone

    def forward(self, images: Tensor) -> list[Tensor]:
        """Return the features, as a list of one level."""
        with torch.no_grad():
            return [self.backbone.features(images)]


def level_widths(strides: Sequence[int], width: int, taper: bool) -> list[int]:
    """Return the number of channels of each level of a pyramid's stem and decoder.

    Args:
        strides: Of the levels, the finest first.
        width: Number of channels of the deepest level.
        taper: Half the channels at half the stride, 8 at least; otherwise all are alike.
    """
    return [max(width * stride // strides[-1], 8) if taper else width for stride in strides]


def _stem_strides(patch: int, finest: int) -> list[int]:
    """Return the strides from ``finest`` on that are below the patch size, each twice the last.

    Raises:
        SodError: If the finest stride is not a power of two from 4 on.
    """
    if finest < FINEST or finest & (finest - 1):
        raise SodError(f"network.finest: {finest} is none of 4, 8, 16, ... pixels")
    strides = []
    while finest < patch:
        strides.append(finest)
        finest *= 2
    return strides


def _first_layers(width: int, finest: int) -> nn.Sequential:
    """Build the layers from the image to half the finest stride, which double the channels."""
    layers: list[nn.Module] = []
    inputs, stride = 3, 2
    while stride < finest:
        outputs = width * stride // finest
        layers.append(convolution(inputs, outputs, stride=2))
        inputs, stride = outputs, 2 * stride
    return nn.Sequential(*layers)
