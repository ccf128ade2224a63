"""Files of tensors from anywhere: read without running code from them, and checked."""

import pickle
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from sod.core.errors import SodError


def load_pickled(path: Path, where: str) -> object:
    """Read a file that ``torch.save`` wrote; only tensors and primitives are unpickled.

    Args:
        path: The file.
        where: What names it, for messages.

    Raises:
        SodError: It is no regular file, is damaged, or holds other objects.
    """
    if not path.is_file():
        raise SodError(f"{where}: there is no such regular file.")
    try:
        content: object = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise SodError(
            f"{where}: refused, it is damaged or holds objects other than tensors and primitives, "
            "which could run code; nothing of it was run."
        ) from error
    except OSError as error:
        raise SodError(f"{where}: cannot be read: {error.strerror or error}.") from error
    except Exception as error:  # damaged files raise many kinds
        raise SodError(f"{where}: cannot be read: it is damaged or holds no tensors.") from error
    return content


def load_state(module: nn.Module, path: Path) -> None:
    """Load the weights of a module of this program from a file beside its run.

    Raises:
        SodError: The file is damaged or does not fit.
    """
    state = load_pickled(path, f"{path}")
    try:
        module.load_state_dict(state)  # type: ignore[arg-type]
    except Exception as error:  # whatever a damaged file leads to
        raise SodError(f"{path}: does not fit: delete it, and it is made again.") from error


def check_finite(state: Mapping[str, Tensor], where: str) -> None:
    """Check that weights are numbers.

    Args:
        state: The tensors by name.
        where: The file, for the message.

    Raises:
        SodError: A tensor holds a value that is not finite.
    """
    for name, value in state.items():
        if value.is_floating_point() and not bool(torch.isfinite(value).all()):
            raise SodError(
                f"{where}: the weights {name} are not finite: training has diverged, or the file "
                "is damaged; take an earlier checkpoint."
            )
