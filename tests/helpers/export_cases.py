"""Small models with random weights, as the tests of `sod export` and of ONNX need them."""

import inspect
from pathlib import Path
from typing import Any

import timm
import torch
from safetensors.torch import save_file

from sod.engine.building import build_method
from sod.engine.checkpoint import AtomicCheckpointIO, checkpoint_of
from sod.engine.method import Method
from sod.engine.registry import known_methods
from sod.methods.generations.ensemble import Generations
from sod.nn.decoders.quality import QualityNetwork

VIT = "vit_tiny_patch16_224"
NETWORK = {"width": 8, "finest": 16, "relation": False}
SMALL: dict[str, dict[str, Any]] = {
    "Peekaboo": {"inference": {"fit": "resize", "scales": [1.5]}},
    "ConnNet": {"network": NETWORK},
    "Student": {"network": {"kind": "lowres", "width": 4}},
    "Generations": {"quality_network": {"width": 4, "size": 8}},
}
LEARNING = sorted((c for c in known_methods() if c.is_trainable()), key=lambda cls: cls.__name__)


def images(count: int = 2, size: tuple[int, int] = (32, 48)) -> torch.Tensor:
    return torch.rand(count, 3, *size, generator=torch.Generator().manual_seed(0))


def write_weights(path: Path) -> Path:
    torch.manual_seed(0)
    save_file(timm.create_model(VIT).state_dict(), path)
    return path


def backbone(weights: Path) -> dict[str, Any]:
    return {"name": VIT, "weights": str(weights), "block": 0, "extra_features": ["token.0"]}


def small(cls: type[Method], weights: Path, **more: Any) -> Method:  # noqa: ANN401
    """A method as if it had been trained."""
    torch.manual_seed(1)
    own = {"backbone": backbone(weights)} if takes_backbone(cls) else {}
    method = build_method(cls.__name__, {**own, **SMALL.get(cls.__name__, {}), **more}, {}, "test")
    if isinstance(method, Generations):
        members = [
            build_method("ConnNet", {**own, "network": NETWORK, "head": {"kind": kind}}, {}, kind)
            for kind in ("binary", "connectivity")
        ]
        student = build_method("Student", SMALL["Student"], {}, "student")
        students = dict(zip(("one", "two", "three"), [*members, student], strict=True))
        method.set_members(students, QualityNetwork(method.quality_config))
    return method.eval()


def takes_backbone(cls: type[Method]) -> bool:
    return "backbone" in inspect.signature(cls).parameters


def write_checkpoint(method: Method, path: Path) -> Path:
    AtomicCheckpointIO().save_checkpoint(checkpoint_of(method), path)
    return path
