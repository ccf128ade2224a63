"""A model as one safetensors file: the weights, the method and its arguments."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor

from sod.core.errors import SodError
from sod.core.files import atomic_file
from sod.engine.content import checked_content

HEADER = "sod"
"""Key of the file's metadata that holds everything but the tensors, as JSON."""


def write_model(content: Mapping[str, Any], path: Path) -> None:
    """Write a portable checkpoint (:meth:`sod.engine.method.Method.portable`).

    Args:
        content: Primitives, and the tensors in ``state_dict``.
        path: The file.

    Raises:
        SodError: It cannot be written; a previous file is untouched.
    """
    tensors, aliases = _unique(content["state_dict"])
    header = {key: value for key, value in content.items() if key != "state_dict"}
    metadata = {"format": "pt", HEADER: json.dumps({**header, "same": aliases})}
    with atomic_file(path) as temporary:
        temporary.write_bytes(save(tensors, metadata))


def read_model(path: Path) -> dict[str, Any]:
    """Read a file that :func:`write_model` wrote; it cannot hold code.

    Raises:
        SodError: The file is damaged, or holds weights that `sod export` did not write.
    """
    try:
        with safe_open(path, framework="pt") as file:
            header = json.loads((file.metadata() or {}).get(HEADER, "null"))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except Exception as error:  # damaged files raise many kinds
        raise SodError(f"--ckpt {path}: is damaged or not a safetensors file.") from error
    if not isinstance(header, dict) or not {"method", "hyper_parameters"} <= header.keys():
        raise SodError(
            f"--ckpt {path}: holds weights, but no model that `sod export` wrote; the weights of a "
            "backbone go to --model.backbone.weights."
        )
    same = header.get("same", {})
    if not isinstance(same, dict) or not all(
        isinstance(first, str) and first in tensors for first in same.values()
    ):
        raise SodError(f"--ckpt {path}: is damaged: its table of shared weights is wrong.")
    shared = {name: tensors[first] for name, first in same.items()}
    return checked_content({**header, "state_dict": tensors | shared}, f"--ckpt {path}")


def _unique(state: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Return the distinct tensors, and for each shared one the name it is stored under."""
    kept: dict[str, Tensor] = {}
    aliases: dict[str, str] = {}
    known: dict[tuple[object, ...], str] = {}
    for name, value in state.items():
        memory = (value.data_ptr(), value.dtype, value.shape, value.stride())
        if value.numel() and memory in known:
            aliases[name] = known[memory]
        else:
            known[memory] = name
            # A copy: the format refuses tensors that share a part of their memory.
            kept[name] = value.detach().cpu().contiguous().clone()
    return kept, aliases
