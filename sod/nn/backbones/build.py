"""The feature layer: one configuration, one builder."""

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
from sod.nn.backbones.weights import load_weights

__all__ = ["Backbone", "BackboneConfig", "build_backbone"]

FAMILIES = ("vision_transformer", "deit", "eva")


@dataclass
class BackboneConfig:
    """Which features a method sees.

    Args:
        name: A timm vision transformer with its tag, or "descriptor", which needs no weights.
        weights: "hub" (timm downloads them), a .safetensors or .pth file, or null (random).
        facet: What is taken of a block: "key", "query", "value" or its output "token".
        block: The block it is taken of, from 0, or from the end with -1 the last.
        pos_embed: How position embeddings are resized: as "dino" does, as "timm" does, or "auto":
            as DINO does for its own weights (tag "dino"), which the published numbers need, and
            as timm does for all others.
        more: Further features, concatenated in this order, each FACET.BLOCK such as "token.4";
            of "descriptor" only "contrast", the distance to the border of the image.
    """

    name: str = "vit_small_patch16_224.dino"
    weights: str | None = "hub"
    facet: Facet = "key"
    block: int = -1
    pos_embed: PositionMode | Literal["auto"] = "auto"
    more: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Undo jsonargparse, which turns a null into "None" where another override follows it."""
        if self.weights == "None":
            self.weights = None


def build_backbone(config: BackboneConfig) -> Backbone:
    """Build a frozen backbone with its weights.

    Args:
        config: Which features; weights, facet, block and the rest say nothing to "descriptor".

    Returns:
        The backbone, on the CPU, in evaluation mode and without gradients.

    Raises:
        SodError: If the model, a facet, a block or the weights do not exist or do not fit.
    """
    if config.name == "descriptor":
        return Descriptor("contrast" in config.more)
    vit = _load(config)
    depth = len(vit.blocks)
    taps = [_tap(config.facet, config.block, depth, config.name)]
    for entry in config.more:
        facet, _, block = entry.partition(".")
        if not block.removeprefix("-").isdecimal():
            raise SodError(f"backbone.more: '{entry}' is not FACET.BLOCK, such as token.4")
        taps.append(_tap(facet, int(block), depth, config.name))
    return VisionBackbone(vit, taps, _position_mode(config), config.name)


def _position_mode(config: BackboneConfig) -> PositionMode:
    """Decide between DINO's and timm's resizing of the position embeddings."""
    if config.pos_embed != "auto":
        return config.pos_embed
    return "dino" if config.name.endswith(".dino") else "timm"


def _load(config: BackboneConfig) -> TimmModule:
    """Return the whole timm model with its weights."""
    _check_name(config.name)
    options: dict[str, Any] = {"num_classes": 0, "dynamic_img_size": True}
    if config.weights == "hub":
        return _load_from_hub(config.name, options)
    vit = timm.create_model(config.name, **options)
    if config.weights is not None:
        load_weights(vit, Path(config.weights), config.name)
    return vit


def _load_from_hub(name: str, options: dict[str, Any]) -> TimmModule:
    """Return the model with the hub's weights, whose names timm itself translates."""
    file = hub_file(name)
    # Without this, timm takes the file for one in the format of the model's first publication.
    overlay = {"file": str(file), "custom_load": False}
    try:
        return timm.create_model(name, True, pretrained_cfg_overlay=overlay, **options)
    except (SafetensorError, UnpicklingError, RuntimeError) as error:
        raise SodError(f"{file}: damaged, or not the weights of {name}; delete it") from error


def _check_name(name: str) -> None:
    """Refuse names that timm does not know or whose models have no grid of tokens."""
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
            f"backbone.name: '{name}' is not a vision transformer with a grid of tokens; take one, "
            "or, if a ConnNet on a CNN needs pseudo-masks, name a labels.teacher or labels.store"
        )


def _tap(facet: str, block: int, depth: int, name: str) -> Tap:
    """Check a facet and a block, which may count from the end."""
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
