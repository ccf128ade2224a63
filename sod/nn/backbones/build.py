"""Configuration and construction of frozen backbones."""

from dataclasses import dataclass, field, replace
from typing import Literal

from sod.nn.backbones.base import Backbone
from sod.nn.backbones.builders import BUILDERS, DEPTHS
from sod.nn.backbones.convit import ConvitBackbone
from sod.nn.backbones.families import family_of
from sod.nn.backbones.loading import load_model
from sod.nn.backbones.projection import Facet, TimmModule
from sod.nn.backbones.stages import StagedBackbone, depth_of, facets_of
from sod.nn.backbones.taps import Tap, checked_tap, every_tap, named_tap
from sod.nn.backbones.vit import PositionMode, VisionBackbone


@dataclass
class BackboneConfig:
    """The backbone and the features that are taken from it.

    Args:
        name: A timm vision transformer with its tag, or "descriptor", which needs no weights.
        weights: "hub" (Hugging Face hub), a .safetensors or .pth file, or null (random weights).
        facet: Feature of a transformer block: "key", "query", "value" or its output "token".
        block: Index of that block from 0; negative values count from the end, -1 is the last.
        pos_embed: Interpolation of the position embeddings: "dino" as in DINO's code, "timm" as in
            timm, or "auto": "dino" for weights with the tag "dino", as the published numbers
            require, and "timm" for all others.
        extra_features: Further features, concatenated in this order, each FACET.BLOCK such as
            "token.4"; for "descriptor" also "contrast", the distance to the image border's mean.
    """

    name: str = "vit_small_patch16_224.dino"
    weights: str | None = "hub"
    facet: Facet = "key"
    block: int = -1
    pos_embed: PositionMode | Literal["auto"] = "auto"
    extra_features: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Read "None" as null: jsonargparse makes this string of a null before another override."""
        if self.weights == "None":
            self.weights = None


def build_backbone(config: BackboneConfig) -> Backbone:
    """Build a frozen backbone with its weights.

    Args:
        config: Model, weights and features; "descriptor" has neither weights nor facets.

    Returns:
        The backbone, on the CPU, in evaluation mode and without gradients.

    Raises:
        SodError: If the model, a facet, a block or the weights do not exist or do not fit.
    """
    if config.name in BUILDERS:
        return BUILDERS[config.name](config)
    model = load_model(config.name, config.weights)
    depth, facets = _extent(model, config.name)
    taps = [checked_tap(config.facet, config.block, depth, facets, config.name)]
    taps += [named_tap(entry, depth, facets, config.name) for entry in config.extra_features]
    return _truncated(model, taps, config)


def build_with_every_tap(config: BackboneConfig) -> tuple[Backbone, list[Tap]]:
    """Build a frozen backbone that returns each facet of each block.

    Args:
        config: Model, weights and position embedding; the other fields have no effect.

    Returns:
        The backbone, and the taps in the order of its channels (``widths``).

    Raises:
        SodError: As :func:`build_backbone`.
    """
    if config.name in BUILDERS:
        taps = every_tap(DEPTHS.get(config.name, 1), ["token"])
        extra = [str(tap) for tap in taps[1:]]
        first = replace(config, facet="token", block=0, extra_features=extra)
        return BUILDERS[config.name](first), taps
    model = load_model(config.name, config.weights)
    taps = every_tap(*_extent(model, config.name))
    return _truncated(model, taps, config), taps


def _extent(model: TimmModule, name: str) -> tuple[int, tuple[Facet, ...]]:
    """Return the number of blocks of a model and their facets."""
    if family_of(name) == "stages":
        return depth_of(model, name), facets_of(model)
    return len(model.blocks), ("key", "query", "value", "token")


def _truncated(model: TimmModule, taps: list[Tap], config: BackboneConfig) -> Backbone:
    family = family_of(config.name)
    if family == "stages":
        return StagedBackbone(model, taps)
    if family == "convit":
        return ConvitBackbone(model, taps)
    return VisionBackbone(model, taps, _position_mode(config), config.name)


def _position_mode(config: BackboneConfig) -> PositionMode:
    """Return the interpolation of the position embeddings, with "auto" resolved."""
    if config.pos_embed != "auto":
        return config.pos_embed
    return "dino" if config.name.endswith(".dino") else "timm"
