"""Checkpoints: written atomically, opened without running code from them."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning.plugins.io import TorchCheckpointIO

from sod.core.distributed import barrier, is_rank_zero
from sod.core.errors import SodError
from sod.core.files import atomic_file
from sod.core.formats import made_by
from sod.core.tensors import check_finite, load_pickled
from sod.engine.content import checked_content
from sod.engine.location import locate_weights
from sod.engine.method import Method
from sod.engine.model_file import read_model
from sod.refinement.calibration import KEY, read_calibrations

ONNX_METHOD = "OnnxModel"
"""Class name of the method that runs an ONNX graph; the graph holds the weights."""


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
            try:
                torch.save(checkpoint, file)
            except RuntimeError as error:  # PyTorch's writer hides the reason
                raise OSError(None, f"the disk is full or fails ({error})"[:120]) from error


def read_checkpoint(path: str | Path) -> dict[str, Any]:
    """Read a checkpoint or an exported model; only tensors and primitives are unpickled.

    Of an ONNX graph only the name is returned: the method opens it.

    Raises:
        SodError: The file is missing, damaged, holds code, or is not a checkpoint of this project.
    """
    if not Path(path).is_file():
        raise SodError(f"--ckpt {path}: there is no such file.")
    if Path(path).suffix == ".safetensors":
        return read_model(Path(path))
    if Path(path).suffix == ".onnx":
        return {"method": ONNX_METHOD, "hyper_parameters": {"file": str(path)}, "state_dict": {}}
    where = f"--ckpt {path}"
    return checked_content(load_pickled(Path(path), where), where)


def method_of_checkpoint(path: str | Path) -> tuple[str, dict[str, Any]]:
    """Return the class name and the constructor's arguments that a checkpoint states.

    Weights files of backbones that are not where they were are looked for near the checkpoint
    (:func:`sod.engine.location.locate_weights`).

    Raises:
        SodError: As :func:`read_checkpoint`.
    """
    content = read_checkpoint(path)
    checksums = content.get("weights_sha256", {})
    return content["method"], locate_weights(content["hyper_parameters"], Path(path), checksums)


def checkpoint_of(method: Method) -> dict[str, Any]:
    """Return a checkpoint of a method's weights, as Lightning writes it, without trainer state."""
    content: dict[str, Any] = {"state_dict": method.state_dict()}
    method.on_save_checkpoint(content)
    return content


def write_weights(method: Method, path: Path, trained_on: str | None) -> None:
    """Write a trained method as a checkpoint of its weights alone; all processes call this.

    Args:
        method: The trained method.
        path: Where to.
        trained_on: ``data.train``, which the file records.
    """
    if is_rank_zero():
        content = checkpoint_of(method) | {"trained_on": trained_on}
        AtomicCheckpointIO().save_checkpoint(content, path)
    barrier()


def backbone_changes(stated: object, configured: Mapping[str, Any]) -> str:
    """Return in words which features of the backbone differ from those of a checkpoint.

    Args:
        stated: The arguments that the checkpoint states.
        configured: Those of the method.
    """
    before = stated.get("backbone") if isinstance(stated, dict) else None
    now = configured.get("backbone")
    if not isinstance(before, dict) or not isinstance(now, dict):
        return ""
    fields = [name for name in now if name != "weights" and name in before]
    return ", ".join(
        f"--model.backbone.{name} {before[name]} and not {now[name]}"
        for name in fields
        if before[name] != now[name]
    )


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
    where = f"--ckpt {path}"
    check_finite(content["state_dict"], where)
    try:
        method.on_load_checkpoint(content)
        method.load_state_dict(content["state_dict"])
    except SodError as error:
        changed = backbone_changes(content["hyper_parameters"], method.arguments())
        if not changed:
            raise
        raise SodError(
            f"{where}: was trained on other features: {changed}: give those, or drop --config."
        ) from error
    except Exception as error:  # what a damaged file leads to, or one of another version
        detail = " ".join(str(error).split())
        raise SodError(
            f"{where}: does not fit the configured model (written by {made_by(content)}): {detail}"
        ) from error
    if KEY in content:
        method.calibrations = read_calibrations(content, where)
