"""Configuration and construction of frozen backbones."""

from dataclasses import dataclass, field
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, Literal, cast, get_args

import timm
from safetensors import SafetensorError

from sod.core.errors import SodError, suggest
from sod.nn.backbones.base import Backbone
from sod.nn.backbones.descriptor import Descriptor
from sod.nn.backbones.hub import hub_file
from sod.nn.backbones.projection import Facet, TimmModule
from sod.nn.backbones.vit import PositionMode, Tap, VisionBackbone
from sod.nn.backbones.weights import load_backbone_weights

FAMILIES = ("vision_transformer", "deit", "eva")


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
            "token.4"; for "descriptor" only "contrast", the distance to the image border's mean.
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
        config: Model, weights and features; "descriptor" uses ``name`` and ``extra_features`` only.

    Returns:
        The backbone, on the CPU, in evaluation mode and without gradients.

    Raises:
        SodError: If the model, a facet, a block or the weights do not exist or do not fit.
    """
    if config.name == "descriptor":
        return Descriptor("contrast" in config.extra_features)
    vit = _load(config)
    depth = len(vit.blocks)
    taps = [_tap(config.facet, config.block, depth, config.name)]
    for entry in config.extra_features:
        facet, _, block = entry.partition(".")
        if not block.removeprefix("-").isdecimal():
            raise SodError(
                f"backbone.extra_features: '{entry}' is not FACET.BLOCK, such as token.4"
            )
        taps.append(_tap(facet, int(block), depth, config.name))
    return VisionBackbone(vit, taps, _position_mode(config), config.name)


def _position_mode(config: BackboneConfig) -> PositionMode:
    """Return the interpolation of the position embeddings, with "auto" resolved."""
    if config.pos_embed != "auto":
        return config.pos_embed
    return "dino" if config.name.endswith(".dino") else "timm"


def _load(config: BackboneConfig) -> TimmModule:
    """Return the complete timm model with its weights."""
    _check_name(config.name)
    options: dict[str, Any] = {"num_classes": 0, "dynamic_img_size": True}
    if config.weights == "hub":
        return _load_from_hub(config.name, options)
    vit = timm.create_model(config.name, **options)
    if config.weights is not None:
        load_backbone_weights(vit, Path(config.weights), config.name)
    return vit


def _load_from_hub(name: str, options: dict[str, Any]) -> TimmModule:
    """Return the model with weights from the hub, whose names are converted by timm."""
    file = hub_file(name)
    # By default timm would expect the file format of the model's original release.
    overlay = {"file": str(file), "custom_load": False}
    try:
        return timm.create_model(name, True, pretrained_cfg_overlay=overlay, **options)
    except (SafetensorError, UnpicklingError, RuntimeError) as error:
        raise SodError(f"{file}: damaged, or not the weights of {name}; delete it") from error


def _check_name(name: str) -> None:
    """Raise an error for names unknown to timm and for models without a grid of tokens."""
    architecture, _, tag = name.partition(".")
    if not timm.is_model(architecture):
        known = ["descriptor", *timm.list_models(), *timm.list_pretrained()]
        raise SodError(f"backbone.name: timm has no model '{name}'.{suggest(name, known)}")
    tagged = [known for known in timm.list_pretrained() if known.startswith(f"{architecture}.")]
    if tag and name not in tagged:
        raise SodError(
            f"backbone.name: '{architecture}' has no tag '{tag}'.{suggest(name, tagged)}"
        )
    if not any(timm.models.is_model_in_modules(architecture, [family]) for family in FAMILIES):
        raise SodError(
            f"backbone.name: '{name}' is not a vision transformer with a grid of tokens; choose "
            "one, or, for pseudo-masks of a ConnNet on a CNN, set labels.teacher or labels.store"
        )


def _tap(facet: str, block: int, depth: int, name: str) -> Tap:
    """Check a facet and a block index, which may be negative, and return them as a tap."""
    if facet not in get_args(Facet):
        known = get_args(Facet)
        raise SodError(
            f"backbone.facet: '{facet}' is none of {', '.join(known)}.{suggest(facet, known)}"
        )
    if not -depth <= block < depth:
        raise SodError(
            f"backbone.block: {name} has {depth} blocks, 0 to {depth - 1} (or -1 to -{depth}), "
            f"not {block}"
        )
    return Tap(cast("Facet", facet), block % depth)
