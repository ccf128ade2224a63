"""Complete timm models with their weights."""

from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import timm
from safetensors import SafetensorError

from sod.core.errors import SodError
from sod.nn.backbones.families import options_of
from sod.nn.backbones.hub import hub_file
from sod.nn.backbones.projection import TimmModule
from sod.nn.backbones.weights import load_backbone_weights


def load_model(name: str, weights: str | None) -> TimmModule:
    """Return a complete timm model with its weights.

    Args:
        name: The model, with its tag if ``weights`` is "hub".
        weights: "hub", a file, or None for random weights.

    Raises:
        SodError: The model or its weights do not exist or do not fit.
    """
    options = options_of(name)
    if weights == "hub":
        return _load_from_hub(name, options)
    model = timm.create_model(name, **options)
    if weights is not None:
        load_backbone_weights(model, Path(weights), name)
    return model


def _load_from_hub(name: str, options: dict[str, Any]) -> TimmModule:
    """Return the model with weights from the hub, whose names are converted by timm."""
    file = hub_file(name)
    # By default timm would expect the file format of the model's original release.
    overlay = {"file": str(file), "custom_load": False}
    try:
        return timm.create_model(name, True, pretrained_cfg_overlay=overlay, **options)
    except (SafetensorError, UnpicklingError, RuntimeError) as error:
        raise SodError(f"{file}: damaged, or not the weights of {name}; delete it") from error
