"""Families of timm's architectures that can serve as frozen backbones."""

from typing import Any, Literal

import timm

from sod.core.errors import SodError, suggest
from sod.nn.backbones.builders import BUILDERS

Family = Literal["vit", "convit", "stages"]
MODULES: dict[Family, tuple[str, ...]] = {
    "vit": ("vision_transformer", "deit", "eva"),
    "convit": ("convit",),
    "stages": ("convnext", "resnet", "swin_transformer", "focalnet", "byobnet", "byoanet"),
}
"""The modules of timm that define the models of each family."""


def family_of(name: str) -> Family:
    """Return the family of a timm model.

    Args:
        name: A timm model, with or without a tag.

    Raises:
        SodError: timm has no such model or tag, or the model cannot give dense features.
    """
    architecture, _, tag = name.partition(".")
    if not timm.is_model(architecture):
        known = [*BUILDERS, *timm.list_models(), *timm.list_pretrained()]
        raise SodError(f"backbone.name: timm has no model '{name}'.{suggest(name, known)}")
    tagged = [known for known in timm.list_pretrained() if known.startswith(f"{architecture}.")]
    if tag and name not in tagged:
        raise SodError(
            f"backbone.name: '{architecture}' has no tag '{tag}'.{suggest(name, tagged)}"
        )
    for family, modules in MODULES.items():
        if timm.models.is_model_in_modules(architecture, list(modules)):
            return family
    raise SodError(
        f"backbone.name: '{name}' gives no dense features here; choose a vision transformer such "
        "as vit_small_patch16_dinov3, or convnext_tiny, swin_tiny_patch4_window7_224 or resnet50"
    )


def options_of(name: str) -> dict[str, Any]:
    """Return the arguments with which timm builds a model for images of any size."""
    family = family_of(name)
    if family == "vit":
        return {"num_classes": 0, "dynamic_img_size": True}
    if name.startswith("swin"):
        return {"num_classes": 0, "strict_img_size": False}
    return {"num_classes": 0}
