"""A method's arguments without anything that only one computer has."""

from collections.abc import Mapping
from typing import Any

ELSEWHERE: dict[str, dict[str, Any]] = {
    "backbone": {"weights": None},
    "labels": {"store": None, "teacher": None},
}
"""By the name of an argument: its fields that name files or the hub, without them."""

ALONE: dict[str, Any] = {"store_backbone": True, "teachers": []}
"""Arguments of a model that is on its own: weights no file gives back stay in checkpoints."""


def portable_arguments(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments that build a method wherever its weights are then put into it.

    Backbones, those of students included, are built without weights, label stores and teachers are
    not named, and a folder of masks to hide images by gives way to strokes.

    Args:
        arguments: The constructor's arguments as primitives.
    """
    found: dict[str, Any] = _without_places(arguments)
    return found | {name: value for name, value in ALONE.items() if name in found}


def _without_places(value: Any, name: str = "") -> Any:  # noqa: ANN401 - primitives of any depth
    if isinstance(value, list | tuple):
        return [_without_places(item) for item in value]
    if not isinstance(value, Mapping):
        return value
    found = {key: _without_places(item, key) for key, item in value.items()}
    if name == "hidden" and found.get("folder") is not None:
        found |= {"kind": "strokes", "folder": None}
    return found | ELSEWHERE.get(name, {})
