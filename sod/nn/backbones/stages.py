"""Dense features of hierarchical networks: ConvNeXt, ResNet, Swin, FocalNet, HaloNet."""

from functools import partial
from math import lcm
from typing import Any

import torch
import torch.nn.functional as F
from timm.layers.halo_attn import HaloAttn
from torch import Tensor, nn

from sod.core.errors import SodError
from sod.nn.backbones.base import Backbone
from sod.nn.backbones.projection import Facet, Projection, TimmModule
from sod.nn.backbones.taps import Tap

GRID = 16
"""Stride in pixels of the common grid of all features."""
AFTER = ("norm_pre", "norm", "final_conv", "head", "fc", "global_pool")
"""Layers of timm's hierarchical models after the last block."""


class StagedBackbone(Backbone):
    """A hierarchical timm model whose blocks, counted over all stages, are the taps.

    The features of all blocks are resampled to one grid of 16 pixels: finer ones are averaged,
    coarser ones are interpolated bilinearly. The model sees whole windows and strides: images are
    continued by their last pixels where they are no multiples, and the features are cropped.

    Args:
        model: A timm model whose ``feature_info`` names its stages; it is modified and loses the
            blocks that are not needed.
        taps: The features to extract; their channels are concatenated in this order.
    """

    def __init__(self, model: TimmModule, taps: list[Tap]) -> None:
        stages = stages_of(model)
        blocks = [(block, stage) for stage in stages for block in stage.blocks]
        widths = [blocks[tap.block][1].channels for tap in taps]
        config = model.pretrained_cfg
        super().__init__(GRID, sum(widths), config["mean"], config["std"])
        self.widths = widths
        self.taps = taps
        self.channels_last = hasattr(model, "layers") and _is_windowed(blocks[0][0])
        self.parts = nn.ModuleList(
            nn.Identity() if tap.facet == "token" else Projection(blocks[tap.block][0], tap.facet)
            for tap in taps
        )
        last = max(tap.block for tap in taps)
        self.multiple = _multiple(stages)
        _truncate(model, stages, last)
        self.model = model
        self._seen: dict[int, Tensor] = {}
        for number, tap in enumerate(taps):
            self._listen(number, tap, blocks[tap.block][0])
        self.freeze()

    def forward(self, images: Tensor) -> Tensor:
        """Map images ``[B, 3, H, W]`` in [0, 1] to features ``[B, channels, H/16, W/16]``."""
        rows, columns = self.grid(images)
        bottom, right = (-side % self.multiple for side in images.shape[-2:])
        padded = F.pad(self.normalise(images), (0, right, 0, bottom), mode="replicate")
        self.model.forward_features(padded)
        maps = [self._resampled(self._seen[n], padded) for n in range(len(self.taps))]
        self._seen.clear()
        return torch.cat(maps, dim=1)[..., :rows, :columns]

    def _listen(self, number: int, tap: Tap, block: nn.Module) -> None:
        """Keep the feature of a tap whenever its block is run."""
        # Partial functions, as a deep copy of the model copies what they hold.
        if tap.facet == "token":
            block.register_forward_hook(partial(_keep_output, self, number))
        else:
            block.register_forward_pre_hook(partial(_keep_projection, self, number))

    def _resampled(self, features: Tensor, images: Tensor) -> Tensor:
        """Bring a block's features to the common grid."""
        if self.channels_last:
            features = features.permute(0, 3, 1, 2)
        stride = images.shape[-1] // features.shape[-1]
        if stride < GRID:
            return F.avg_pool2d(features, GRID // stride)
        size = (images.shape[-2] // GRID, images.shape[-1] // GRID)
        return F.interpolate(features, size, mode="bilinear", align_corners=False)


def _keep_output(
    backbone: StagedBackbone,
    number: int,
    module: nn.Module,
    inputs: Any,  # noqa: ANN401
    result: Tensor,
) -> None:
    backbone._seen[number] = result


def _keep_projection(
    backbone: StagedBackbone, number: int, module: nn.Module, inputs: tuple[Tensor]
) -> None:
    backbone._seen[number] = backbone.parts[number](inputs[0])


class Stage:
    """A stage of a hierarchical model.

    Attributes:
        module: The stage's own module.
        blocks: Its residual blocks, in order.
        channels: Number of channels of their outputs.
        stride: Their stride in pixels.
    """

    def __init__(self, module: nn.Module, channels: int, stride: int) -> None:
        self.module, self.channels, self.stride = module, channels, stride
        inner = getattr(module, "blocks", module)
        self.blocks: list[nn.Module] = list(inner) if isinstance(inner, _CONTAINERS) else []
        self.container: Any = inner


_CONTAINERS = (nn.Sequential, nn.ModuleList)


def stages_of(model: TimmModule) -> list[Stage]:
    """Return the stages of a hierarchical timm model, without its stem."""
    modules = getattr(model, "stages", getattr(model, "layers", None))
    if modules is None:
        modules = [getattr(model, f"layer{n}") for n in range(1, 5) if hasattr(model, f"layer{n}")]
    # Some models report the stem too, and the last stage under the name of the layer after it.
    infos = list(model.feature_info)[-len(modules) :] if len(modules) else []
    return [
        Stage(module, info["num_chs"], info["reduction"])
        for module, info in zip(modules, infos, strict=True)
    ]


def depth_of(model: TimmModule, name: str) -> int:
    """Return the number of blocks of all stages.

    Raises:
        SodError: The model has no stages of blocks.
    """
    depth = sum(len(stage.blocks) for stage in stages_of(model))
    if not depth:
        raise SodError(f"{name}: has no stages of blocks; choose convnext_tiny or resnet50")
    return depth


def facets_of(model: TimmModule) -> tuple[Facet, ...]:
    """Return the facets of the blocks: windowed attention has all, convolutions ``token``."""
    blocks = [block for stage in stages_of(model) for block in stage.blocks]
    return ("key", "query", "value", "token") if all(map(_is_windowed, blocks)) else ("token",)


def _is_windowed(block: Any) -> bool:  # noqa: ANN401 - any block of timm
    return hasattr(block, "norm1") and hasattr(getattr(block, "attn", None), "qkv")


def _multiple(stages: list[Stage]) -> int:
    """Return the number of pixels of which images have to be multiples, whatever the tap."""
    multiples = [GRID, *(stage.stride for stage in stages)]
    for stage in stages:
        halos = [module for module in stage.module.modules() if isinstance(module, HaloAttn)]
        multiples += [stage.stride * halo.block_size for halo in halos]
    return lcm(*multiples)


def _truncate(model: TimmModule, stages: list[Stage], last: int) -> None:
    """Replace everything after a block by identities."""
    number = 0
    for stage in stages:
        for index in range(len(stage.blocks)):
            if number > last:
                stage.container[index] = nn.Identity()
            number += 1
        if number - len(stage.blocks) > last:  # also its downsampling
            _replace(model, stage.module)
    for name in AFTER:
        if hasattr(model, name):
            setattr(model, name, nn.Identity())


def _replace(model: nn.Module, module: nn.Module) -> None:
    for parent in model.modules():
        for name, child in parent.named_children():
            if child is module:
                setattr(parent, name, nn.Identity())
                return
