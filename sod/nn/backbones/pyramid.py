"""Feature pyramids of CNNs and of plain vision transformers, behind one small contract."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from math import lcm
from pathlib import Path
from typing import Any

import timm
import torch
from torch import Tensor, nn
from typing_extensions import Self

from sod.core.errors import SodError
from sod.nn.backbones.build import FAMILIES, Backbone, BackboneConfig, build_backbone
from sod.nn.backbones.hub import hub_file
from sod.nn.backbones.weights import load_weights
from sod.nn.decoders.patch_head import Standardise
from sod.nn.layers import convolution

FINEST = 4
"""Stride of the finest level in pixels."""


class Pyramid(nn.Module, ABC):
    """Feature maps of images at several strides, the finest first.

    Args:
        channels: of each level.
        strides: of each level in pixels, never falling.
    """

    def __init__(self, channels: Sequence[int], strides: Sequence[int]) -> None:
        super().__init__()
        self.channels = tuple(channels)
        self.strides = tuple(strides)

    @property
    def multiple(self) -> int:
        """The sides of images have to be multiples of this number of pixels."""
        return lcm(*self.strides)

    @abstractmethod
    def forward(self, images: Tensor) -> list[Tensor]:
        """Return ``[B, channels[i], H / strides[i], W / strides[i]]`` of each level.

        Args:
            images: RGB ``[B, 3, H, W]`` in [0, 1]; H and W are multiples of ``multiple``.
        """


class CnnPyramid(Pyramid):
    """The stages of a timm CNN from stride 4 on.

    Args:
        model: a timm model with ``forward_intermediates``; it is taken over and loses its head.
        trainable: whether it learns; otherwise it stays in evaluation mode, without gradients.
        freeze_norm: whether batch norms keep the statistics that came with the weights, as suits
            the small batches of dense prediction; choose False to train from scratch.
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
        """Return the stages, the finest first."""
        images = (images - self.mean) / self.std
        with torch.set_grad_enabled(self.trainable and torch.is_grad_enabled()):
            return list(
                self.body.forward_intermediates(
                    images, indices=self.levels, intermediates_only=True
                )
            )

    def train(self, mode: bool = True) -> Self:
        """Switch the mode of what is not frozen."""
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

    Tokens have one resolution, that of the patch; the stem sees the image itself and brings back
    the outlines, at strides 4, 8, ... below the patch.

    Args:
        backbone: its channels hold the features of ``levels`` blocks, the shallowest first.
        levels: how many blocks.
        width: channels of the stem's levels.
        finest: stride of the finest level in pixels, a power of two from 4 on; no stem where it is
            that of the patch or more.

    Raises:
        SodError: if the channels cannot be split into that many levels, or the stride is none.
    """

    def __init__(
        self, backbone: Backbone, levels: int = 1, width: int = 32, finest: int = FINEST
    ) -> None:
        if backbone.channels % levels:
            raise SodError(f"backbone.more: {backbone.channels} channels are not {levels} features")
        fine = _finer(backbone.patch_size, finest)
        channels = [width] * len(fine) + [backbone.channels // levels] * levels
        super().__init__(channels, fine + [backbone.patch_size] * levels)
        self.backbone = backbone
        self.count = levels
        self.start = _start(width, finest) if fine else nn.Identity()
        inputs = [width // 2, *[width] * len(fine)]
        self.stem = nn.ModuleList(convolution(inputs[i], width, stride=2) for i in range(len(fine)))

    def forward(self, images: Tensor) -> list[Tensor]:
        """Return the stem's levels, then the blocks, the shallowest first."""
        with torch.no_grad():
            tokens = self.backbone(images)
        levels = []
        maps = self.start(2 * images - 1)
        for layer in self.stem:
            maps = layer(maps)
            levels.append(maps)
        return levels + list(tokens.chunk(self.count, dim=1))


class PatchPyramid(Pyramid):
    """The features of a frozen backbone as they are: one level, at the stride of the patch.

    Args:
        backbone: the features.
    """

    def __init__(self, backbone: Backbone) -> None:
        super().__init__([backbone.channels], [backbone.patch_size])
        self.backbone = backbone

    def forward(self, images: Tensor) -> list[Tensor]:
        """Return the features."""
        with torch.no_grad():
            return [self.backbone(images)]


class StandardisedBackbone(Backbone):
    """A frozen backbone whose channels are brought to mean 0 and deviation 1.

    Args:
        backbone: the features; in training their statistics are counted, see
            :class:`sod.nn.decoders.patch_head.Standardise`.
    """

    def __init__(self, backbone: Backbone) -> None:
        mean, std = backbone.mean.tolist(), backbone.std.tolist()
        super().__init__(backbone.patch_size, backbone.channels, mean, std)
        self.backbone = backbone
        self.standardise = Standardise(backbone.channels)

    def train(self, mode: bool = True) -> Self:
        """Count statistics in training mode; the backbone itself stays in evaluation mode."""
        self.training = mode
        return self

    def forward(self, images: Tensor) -> Tensor:
        """Return features ``[B, channels, H / patch_size, W / patch_size]``."""
        features: Tensor = self.backbone(images)
        if self.training:
            self.standardise.observe(features)
        standardised: Tensor = self.standardise(features)
        return standardised


def build_pyramid(
    config: BackboneConfig,
    width: int = 32,
    trainable: bool = True,
    freeze_norm: bool = True,
    standardise: bool = False,
    stem: bool = True,
    finest: int = FINEST,
    merge: bool = False,
) -> Pyramid:
    """Build the pyramid of a CNN, of a frozen transformer or of the descriptor.

    Args:
        config: for a transformer, ``block`` is the shallowest level and ``more`` are the deeper
            ones; for a CNN, only its ``name`` and ``weights`` count.
        width: channels of the stem beside a transformer.
        trainable: whether a CNN learns; a transformer is always frozen.
        freeze_norm: whether the batch norms of a CNN keep their statistics.
        standardise: whether the features of a transformer are standardised.
        stem: whether there are finer levels than a transformer's patches.
        finest: stride of the finest of them in pixels.
        merge: whether all features of a transformer are one level.

    Raises:
        SodError: if the model or its weights do not exist or do not fit.
    """
    if _is_cnn(config.name):
        return CnnPyramid(_load_cnn(config), trainable, freeze_norm)
    backbone = build_backbone(config)
    if standardise:
        backbone = StandardisedBackbone(backbone)
    if not stem:
        return PatchPyramid(backbone)
    levels = 1 if merge or config.name == "descriptor" else 1 + len(config.more)
    return TokenPyramid(backbone, levels, width, finest)


def frozen_part(pyramid: Pyramid) -> tuple[str, nn.Module | None]:
    """Return the path and the module of what is never trained in a pyramid, or None of a CNN's."""
    if not isinstance(pyramid, TokenPyramid | PatchPyramid):
        return "", None
    if isinstance(pyramid.backbone, StandardisedBackbone):
        return "backbone.backbone", pyramid.backbone.backbone
    return "backbone", pyramid.backbone


def _finer(patch: int, finest: int) -> list[int]:
    """Return the strides below that of the patch, each twice the last.

    Raises:
        SodError: if the finest is not such a stride.
    """
    if finest < FINEST or finest & (finest - 1):
        raise SodError(f"network.finest: {finest} is none of 4, 8, 16, ... pixels")
    strides = []
    while finest < patch:
        strides.append(finest)
        finest *= 2
    return strides


def _start(width: int, finest: int) -> nn.Sequential:
    """Return what leads from the image to half the finest stride, the channels doubling."""
    layers: list[nn.Module] = []
    inputs, stride = 3, 2
    while stride < finest:
        outputs = width * stride // finest
        layers.append(convolution(inputs, outputs, stride=2))
        inputs, stride = outputs, 2 * stride
    return nn.Sequential(*layers)


def _is_cnn(name: str) -> bool:
    architecture = name.partition(".")[0]
    return timm.is_model(architecture) and not any(
        timm.models.is_model_in_modules(architecture, [family]) for family in FAMILIES
    )


def _load_cnn(config: BackboneConfig) -> Any:  # noqa: ANN401
    model: Any = timm.create_model(config.name, num_classes=0)
    if not hasattr(model, "forward_intermediates") or model.pretrained_cfg.get("fixed_input_size"):
        raise SodError(
            f"backbone.name: '{config.name}' has no stages for images of any size;"
            " choose a CNN such as resnet50"
        )
    if config.weights == "hub":
        load_weights(model, hub_file(config.name), config.name)
    elif config.weights is not None:
        load_weights(model, Path(config.weights), config.name)
    return model
