"""Safe reading of weights files, and strict loading into backbones."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from safetensors.torch import load_file
from torch import Tensor, nn

from sod.core.errors import SodError
from sod.core.tensors import check_finite, load_pickled

WRAPPERS = ("state_dict", "model", "teacher")
DEEPEST = 8  # wrappers in each other; a file can hold itself
PREFIXES = ("module.", "_orig_mod.", "backbone.")
HEADS = ("head.", "head_dist.", "fc.", "fc_norm.", "classifier.", "attn_pool.", "mask_token")
UNUSED = (*HEADS, "norm.")


def load_backbone_weights(model: nn.Module, path: Path, name: str) -> None:
    """Load a weights file into a model, strictly except for the layers after the last block.

    Args:
        model: The model to fill.
        path: A ``.safetensors``, ``.pth``, ``.pt`` or ``.bin`` file.
        name: Name of the model, for error messages.

    Raises:
        SodError: If the file cannot be read, or its keys or shapes are not those of the model.
    """
    state = read_weights(path)
    expected = model.state_dict()
    state = {key: v for key, v in state.items() if key in expected or not key.startswith(HEADS)}
    missing = [key for key in expected if key not in state and not key.startswith(UNUSED)]
    unexpected = [key for key in state if key not in expected]
    shapes = [
        f"{key} {tuple(state[key].shape)} instead of {tuple(expected[key].shape)}"
        for key in expected
        if key in state and state[key].shape != expected[key].shape
    ]
    problems = [("missing", missing), ("unexpected", unexpected), ("wrong shape", shapes)]
    report = "; ".join(f"{kind}: {_first(keys)}" for kind, keys in problems if keys)
    if report:
        raise SodError(f"{path}: not the weights of {name} ({report})")
    model.load_state_dict(state, strict=False)


def read_weights(path: Path) -> dict[str, Tensor]:
    """Read the tensors of a weights file, with the names that timm models use.

    Wrappers (``state_dict``, ``model``, ``teacher``) are unwrapped and prefixes (``module.``,
    ``_orig_mod.``, ``backbone.``) removed. No code in the file is executed: pickles are read with
    ``weights_only``.

    Args:
        path: A ``.safetensors``, ``.pth``, ``.pt`` or ``.bin`` file.

    Returns:
        The state dict, on the CPU.

    Raises:
        SodError: If the file is missing or damaged, holds no tensors, or holds arbitrary objects.
    """
    if not path.is_file():
        raise SodError(
            f"{path}: no such weights file; give it as --model.backbone.weights FILE, or put it "
            "beside the checkpoint or into ./weights"
        )
    content = _read(path)
    for _ in range(DEEPEST):
        if not isinstance(content, Mapping):
            break
        inner = [content[key] for key in WRAPPERS if isinstance(content.get(key), Mapping)]
        if not inner:
            break
        content = inner[0]
    if not isinstance(content, Mapping) or not content:
        raise SodError(f"{path}: holds no state dict")
    state = {str(key): value for key, value in content.items() if isinstance(value, Tensor)}
    if not state:
        raise SodError(f"{path}: holds no tensors")
    for prefix in PREFIXES:
        state = {key.removeprefix(prefix): value for key, value in state.items()}
    check_finite(state, f"{path}")
    return state


def _read(path: Path) -> object:
    """Return the content of a weights file, or raise an error of one line."""
    if path.suffix in {".pth", ".pt", ".bin"}:
        return load_pickled(path, f"{path}")
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
    except Exception as error:  # damaged files raise many kinds
        reason = str(error).partition("\n")[0]
        raise SodError(f"{path}: cannot be read as weights ({reason})") from error
    raise SodError(f"{path}: weights must be .safetensors, .pth, .pt or .bin")


def _first(keys: Iterable[str], count: int = 3) -> str:
    """Join the first keys, followed by the number of the others."""
    names = list(keys)
    more = f" and {len(names) - count} more" if len(names) > count else ""
    return ", ".join(names[:count]) + more
