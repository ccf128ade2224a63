"""Construction of feature pyramids from a backbone configuration."""

from pathlib import Path
from typing import Any

import timm
from torch import nn

from sod.core.errors import SodError
from sod.nn.backbones.build import BackboneConfig, build_backbone
from sod.nn.backbones.builders import BUILDERS
from sod.nn.backbones.families import MODULES
from sod.nn.backbones.hub import hub_file
from sod.nn.backbones.pyramid import FINEST, CnnPyramid, PatchPyramid, Pyramid, TokenPyramid
from sod.nn.backbones.standardised import StandardisedBackbone
from sod.nn.backbones.weights import load_backbone_weights


def build_pyramid(
    config: BackboneConfig,
    width: int = 32,
    trainable: bool = True,
    freeze_norm: bool = True,
    standardise: bool = False,
    stem: bool = True,
    finest: int = FINEST,
    merge: bool = False,
    taper: bool = False,
) -> Pyramid:
    """Build the pyramid of a CNN, of a frozen transformer or of the descriptor.

    Args:
        config: For a transformer, ``block`` is the shallowest level and ``extra_features`` are the
            deeper ones; a CNN uses ``name`` and ``weights`` only.
        width: Number of channels of the stem of a transformer.
        trainable: Whether a CNN is trained; a transformer is always frozen.
        freeze_norm: Whether the batch norms of a CNN keep their statistics.
        standardise: Whether the features of a transformer are standardised.
        stem: Whether to add levels that are finer than the patches of a transformer.
        finest: Stride of the finest of these levels in pixels.
        merge: Whether all features of a transformer form one level.
        taper: Whether finer levels of the stem are narrower.

    Raises:
        SodError: If the model or its weights do not exist or do not fit.
    """
    if _is_cnn(config.name):
        return CnnPyramid(_load_cnn(config), trainable, freeze_norm)
    backbone = build_backbone(config)
    if standardise:
        backbone = StandardisedBackbone(backbone)
    if not stem:
        return PatchPyramid(backbone)
    levels = 1 if merge or config.name in BUILDERS else 1 + len(config.extra_features)
    return TokenPyramid(backbone, levels, width, finest, taper)


def frozen_part(pyramid: Pyramid) -> tuple[str, nn.Module | None]:
    """Return the module path and the module of the frozen backbone in a pyramid.

    Args:
        pyramid: Any pyramid.

    Returns:
        The path within the pyramid and the module; an empty path and None for a CNN.
    """
    if not isinstance(pyramid, TokenPyramid | PatchPyramid):
        return "", None
    if isinstance(pyramid.backbone, StandardisedBackbone):
        return "backbone.backbone", pyramid.backbone.backbone
    return "backbone", pyramid.backbone


def _is_cnn(name: str) -> bool:
    """Return whether timm has a model of that name that is not a vision transformer."""
    architecture = name.partition(".")[0]
    return timm.is_model(architecture) and not any(
        timm.models.is_model_in_modules(architecture, [module])
        for module in (*MODULES["vit"], *MODULES["convit"])
    )


def _load_cnn(config: BackboneConfig) -> Any:  # noqa: ANN401
    """Return the timm CNN with its weights."""
    model: Any = timm.create_model(config.name, num_classes=0)
    if not hasattr(model, "forward_intermediates") or model.pretrained_cfg.get("fixed_input_size"):
        raise SodError(
            f"backbone.name: '{config.name}' has no stages for images of any size;"
            " choose a CNN such as resnet50"
        )
    if config.weights == "hub":
        load_backbone_weights(model, hub_file(config.name), config.name)
    elif config.weights is not None:
        load_backbone_weights(model, Path(config.weights), config.name)
    return model
