"""A model as one safetensors file: each of its weights once, and what they are the weights of."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from sod.core.errors import SodError
from sod.core.files import draft_of

HEADER = "sod"
"""The entry of the file's metadata with everything that is no tensor, as JSON."""


def write_model(content: Mapping[str, Any], path: Path) -> None:
    """Write what :meth:`sod.engine.method.Method.portable` returns.

    Args:
        content: Primitives, and the tensors in ``state_dict``.
        path: The file.

    Raises:
        SodError: It cannot be written; a previous file is untouched.
    """
    tensors, same = _once(content["state_dict"])
    header = {key: value for key, value in content.items() if key != "state_dict"}
    metadata = {"format": "pt", HEADER: json.dumps({**header, "same": same})}
    with draft_of(path) as draft:
        draft.write_bytes(save(tensors, metadata))


def read_model(path: Path) -> dict[str, Any]:
    """Read what :func:`write_model` wrote; nothing in the file can be code.

    Raises:
        SodError: The file is damaged, or holds weights that `sod export` did not write.
    """
    try:
        with safe_open(path, framework="pt") as file:
            header = json.loads((file.metadata() or {}).get(HEADER, "null"))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError) as error:
        raise SodError(f"--ckpt {path}: is damaged or not a safetensors file.") from error
    if not isinstance(header, dict) or not {"method", "hyper_parameters"} <= header.keys():
        raise SodError(
            f"--ckpt {path}: holds weights, but no model that `sod export` wrote; the weights of a "
            "backbone go to --model.backbone.weights."
        )
    same = {name: tensors[kept] for name, kept in header["same"].items()}
    return {**header, "state_dict": tensors | same}


def _once(state: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Return the distinct tensors, and by its name which of them each further one is."""
    kept: dict[str, Tensor] = {}
    same: dict[str, str] = {}
    known: dict[tuple[object, ...], str] = {}
    for name, value in state.items():
        place = (value.data_ptr(), value.dtype, value.shape, value.stride())
        if value.numel() and place in known:
            same[name] = known[place]
        else:
            known[place] = name
            # A copy: the format refuses tensors that share a part of their memory.
            kept[name] = value.detach().cpu().contiguous().clone()
    return kept, same
