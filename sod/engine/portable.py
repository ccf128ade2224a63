"""Constructor arguments that are valid on any machine."""

from collections.abc import Mapping
from typing import Any

LOCAL_FIELDS: dict[str, dict[str, Any]] = {
    "backbone": {"weights": None},
    "labels": {"store": None, "teacher": None},
}
"""Fields of an argument that refer to local files or the hub, with their portable values."""

STANDALONE: dict[str, Any] = {"store_backbone": True, "teachers": []}
"""Arguments of a model without other files: its checkpoints hold the backbone's weights too."""


def portable_arguments(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return arguments that build a method anywhere, for weights that are loaded afterwards.

    Backbones, those of students included, get no weights file. Label stores, teachers and folders
    of masking images are left out; strokes replace such a folder.

    Args:
        arguments: The constructor's arguments as primitives.
    """
    portable: dict[str, Any] = _without_local_files(arguments)
    return portable | {name: value for name, value in STANDALONE.items() if name in portable}


def _without_local_files(value: Any, name: str = "") -> Any:  # noqa: ANN401 - nested primitives
    if isinstance(value, list | tuple):
        return [_without_local_files(item) for item in value]
    if not isinstance(value, Mapping):
        return value
    fields = {key: _without_local_files(item, key) for key, item in value.items()}
    if name == "masking" and fields.get("folder") is not None:
        fields |= {"kind": "strokes", "folder": None}
    return fields | LOCAL_FIELDS.get(name, {})
