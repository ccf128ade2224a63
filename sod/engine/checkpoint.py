"""Checkpoints: written atomically, opened without running code from them."""

import os
import pickle
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning.plugins.io import TorchCheckpointIO

from sod.core.errors import SodError
from sod.core.files import atomic_file
from sod.engine.location import locate_weights
from sod.engine.method import Method
from sod.engine.model_file import read_model


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes checkpoints as atomic files: a kill never leaves half of one.

    Lightning's own writer goes through the system's temporary folder, which is not atomic across
    file systems, and reports nothing where the target cannot be written.
    """

    def save_checkpoint(
        self,
        checkpoint: dict[str, Any],
        path: str | os.PathLike[str],
        storage_options: Any | None = None,  # noqa: ANN401 - Lightning's own signature
    ) -> None:
        """Write ``checkpoint`` to ``path``.

        Raises:
            SodError: The file cannot be written; a previous one is untouched.
        """
        with atomic_file(Path(path)) as temporary, temporary.open("wb") as file:
            torch.save(checkpoint, file)


def read_checkpoint(path: str | Path) -> dict[str, Any]:
    """Read a checkpoint or an exported model; only tensors and primitives are unpickled.

    Raises:
        SodError: The file is missing, damaged, holds code, or is not a checkpoint of this project.
    """
    if not Path(path).is_file():
        raise SodError(f"--ckpt {path}: there is no such file.")
    if Path(path).suffix == ".safetensors":
        return read_model(Path(path))
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise SodError(
            f"--ckpt {path}: refused, it holds objects other than tensors and primitives "
            "(or is damaged)."
        ) from error
    except (RuntimeError, OSError, EOFError, ValueError) as error:
        raise SodError(f"--ckpt {path}: is damaged or not a checkpoint.") from error
    if not isinstance(content, dict) or not {"method", "state_dict"} <= content.keys():
        raise SodError(f"--ckpt {path}: is not a checkpoint written by `sod fit`.")
    return content


def method_of_checkpoint(path: str | Path) -> tuple[str, dict[str, Any]]:
    """Return the class name and the constructor's arguments that a checkpoint states.

    Weights files of backbones that are not where they were are looked for near the checkpoint
    (:func:`sod.engine.location.locate_weights`).

    Raises:
        SodError: As :func:`read_checkpoint`.
    """
    content = read_checkpoint(path)
    arguments = content["hyper_parameters"]
    if not isinstance(arguments, dict):
        raise SodError(f"--ckpt {path}: is damaged: it states no arguments of its method.")
    checksums = content.get("weights_sha256", {})
    return str(content["method"]), locate_weights(arguments, Path(path), checksums)


def checkpoint_of(method: Method) -> dict[str, Any]:
    """Return a checkpoint of a method's weights, as Lightning writes it, without trainer state."""
    content: dict[str, Any] = {"state_dict": method.state_dict()}
    method.on_save_checkpoint(content)
    return content


def load_checkpoint(method: Method, path: str | None) -> None:
    """Load a checkpoint's weights into a method; without a path nothing happens.

    Raises:
        SodError: The file cannot be used, belongs to another method, or does not fit.
    """
    if path is None:
        return
    content = read_checkpoint(path)
    if content["method"] != type(method).__name__:
        raise SodError(
            f"--ckpt {path}: holds a {content['method']}, the config asks for a "
            f"{type(method).__name__}: drop --config, or give the matching one."
        )
    method.on_load_checkpoint(content)
    try:
        method.load_state_dict(content["state_dict"])
    except RuntimeError as error:
        detail = " ".join(str(error).split())
        raise SodError(f"--ckpt {path}: does not fit the configured model: {detail}") from error
