"""Reading weights without running code, and checking that they fit."""

import hashlib
import pickle
from collections.abc import Iterable, Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from sod.core.errors import SodError

WRAPPERS = ("state_dict", "model", "teacher")
PREFIXES = ("module.", "_orig_mod.", "backbone.")
HEADS = ("head.", "head_dist.", "fc.", "fc_norm.", "classifier.", "attn_pool.", "mask_token")
UNUSED = (*HEADS, "norm.")


def load_weights(model: nn.Module, path: Path, name: str) -> None:
    """Load a weights file into a model, strictly but for what follows the last block.

    Args:
        model: The model to fill.
        path: A ``.safetensors``, ``.pth``, ``.pt`` or ``.bin`` file.
        name: The model's name, for the messages.

    Raises:
        SodError: If the file cannot be read or its keys or shapes are not those of the model.
    """
    state = read_weights(path)
    wanted = model.state_dict()
    state = {key: v for key, v in state.items() if key in wanted or not key.startswith(HEADS)}
    missing = [key for key in wanted if key not in state and not key.startswith(UNUSED)]
    unexpected = [key for key in state if key not in wanted]
    shapes = [
        f"{key} {tuple(state[key].shape)} instead of {tuple(wanted[key].shape)}"
        for key in wanted
        if key in state and state[key].shape != wanted[key].shape
    ]
    problems = [("missing", missing), ("unexpected", unexpected), ("wrong shape", shapes)]
    found = "; ".join(f"{kind}: {_first(keys)}" for kind, keys in problems if keys)
    if found:
        raise SodError(f"{path}: not the weights of {name} ({found})")
    model.load_state_dict(state, strict=False)


def read_weights(path: Path) -> dict[str, Tensor]:
    """Read the tensors of a weights file under the names a timm model gives them.

    Containers (``state_dict``, ``model``, ``teacher``) are opened and the prefixes ``module.`` and
    ``backbone.`` removed. Nothing in the file is executed: pickles are read with ``weights_only``.

    Args:
        path: A ``.safetensors``, ``.pth``, ``.pt`` or ``.bin`` file.

    Returns:
        The state dict, on the CPU.

    Raises:
        SodError: If the file is missing, damaged, or holds anything but tensors.
    """
    if not path.is_file():
        raise SodError(f"{path}: no such weights file")
    content = _read(path)
    while isinstance(content, Mapping) and (
        inner := next(
            (content[key] for key in WRAPPERS if isinstance(content.get(key), Mapping)), None
        )
    ):
        content = inner
    if not isinstance(content, Mapping) or not content:
        raise SodError(f"{path}: holds no state dict")
    state = {str(key): value for key, value in content.items() if isinstance(value, Tensor)}
    if not state:
        raise SodError(f"{path}: holds no tensors")
    for prefix in PREFIXES:
        state = {key.removeprefix(prefix): value for key, value in state.items()}
    return state


def file_checksum(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal digits.

    Args:
        path: Any file.
    """
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def state_checksum(state: Mapping[str, Tensor]) -> str:
    """Return the SHA-256 of names, types, shapes and values of tensors, in any order of names.

    Args:
        state: A state dict on any device.

    Returns:
        Hexadecimal digits that change whenever a weight does.
    """
    digest = hashlib.sha256()
    for key in sorted(state):
        value = state[key].detach().cpu().contiguous()
        digest.update(f"{key} {value.dtype} {tuple(value.shape)}\n".encode())
        digest.update(value.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _read(path: Path) -> object:
    """Return what a weights file holds, or raise an error of one line."""
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        if path.suffix in {".pth", ".pt", ".bin"}:
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise SodError(
            f"{path}: not a weights file, or one with objects that could run code; nothing of it "
            "was run. Save its state dict alone, as .safetensors"
        ) from error
    except (SafetensorError, RuntimeError, EOFError, OSError, ValueError) as error:
        reason = str(error).partition("\n")[0]
        raise SodError(f"{path}: cannot be read as weights ({reason})") from error
    raise SodError(f"{path}: weights must be .safetensors, .pth, .pt or .bin")


def _first(keys: Iterable[str], count: int = 3) -> str:
    names = list(keys)
    more = f" and {len(names) - count} more" if len(names) > count else ""
    return ", ".join(names[:count]) + more
