"""The students of a generation, as a config describes them."""

import re
from dataclasses import dataclass, field
from typing import Any

from sod.core.errors import SodError


@dataclass(frozen=True)
class StudentConfig:
    """One student of every generation.

    Args:
        name: Its name in files and tables.
        method: The method, one that is trained on pseudo-masks: ConnNet or Student.
        arguments: Its arguments; without a ``backbone`` it gets that of the generations.
        max_steps: Optimiser steps; null: the trainer's.
        batch_size: Training images per batch, as data.batch_size_per counts them; null: the data's.
        size: Side of the training images in pixels; null: the data's.
    """

    name: str
    method: str = "ConnNet"
    arguments: dict[str, Any] = field(default_factory=dict)
    max_steps: int | None = None
    batch_size: int | None = None
    size: int | None = None

    def __post_init__(self) -> None:
        """Reject a name that cannot be one of a folder and a module."""
        if not self.name.isidentifier():
            raise SodError(f"students: '{self.name}' is no name; use letters, digits and _")
        if re.match(r"gen\d+_", self.name):
            raise SodError(f"students: '{self.name}' names a student of an earlier generation")


PATCHES = {"width": 64, "relation": False, "layers": 1, "dropout": 0.3, "merge": True, "finest": 16}
STUDENTS = [
    StudentConfig(
        "binary",
        "ConnNet",
        {"network": PATCHES, "head": {"kind": "binary", "weights": {"iou": 1.0}}},
    ),
    StudentConfig(
        "connectivity",
        "ConnNet",
        {
            "network": PATCHES,
            "head": {
                "aggregation": "max",
                "weights": {"connectivity": 0.0, "voted": 1.0, "iou": 1.0},
            },
        },
    ),
    StudentConfig(
        "dilated",
        "Student",
        {
            "network": {"kind": "dilated", "width": 8, "size": 128},
            "loss_kind": "bce",
            "iou": 1.0,
        },
    ),
]
"""The default students: two heads on frozen features, and a network trained from scratch."""
