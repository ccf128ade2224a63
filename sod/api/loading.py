"""A model from a checkpoint, a config, or the name of one."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

import sod.methods  # noqa: F401 - registers the methods
from sod.api.model import Model
from sod.core.configs import find_config, is_config, packaged_configs
from sod.core.devices import pick_device
from sod.core.errors import SodError, suggest, suggest_path
from sod.engine.building import build_from_checkpoint, build_from_config, build_method
from sod.engine.method import Method
from sod.engine.plugins import load_plugins
from sod.engine.registry import full_name, import_method, known_methods
from sod.refinement.kinds import parse_refinements

FILES = (".ckpt", ".safetensors", ".onnx", ".pt", ".pth")


def load(
    source: str | os.PathLike[str],
    *,
    device: str | torch.device = "auto",
    refine: str = "none",
    backbone: str | Mapping[str, Any] | None = None,
    **options: Any,  # noqa: ANN401 - the method's own parameters
) -> Model:
    """Load a model that is ready to use.

    Args:
        source: A checkpoint of `sod fit`, a ``model.safetensors`` or ``model.onnx`` of
            `sod export`, a config (``own.yaml``, or a packaged one such as ``tokencut``), or a
            method (``CentreBox``).
        device: ``auto`` (the first GPU, else the CPU), ``cpu``, ``cuda``, ``cuda:1`` or ``mps``.
            One that is not there is an error.
        refine: Refinement of every map, as in ``--refine``.
        backbone: Fields of the backbone as in ``--model.backbone.*``, or only its name;
            ``"descriptor"`` needs no weights.
        options: The method's parameters, as in ``--model.*``; nested ones as dicts.

    Raises:
        SodError: There is no such file, config, method or device, or an option is invalid.

    >>> import sod
    >>> model = sod.load("tokencut", backbone="descriptor", device="cpu", tau=0.3)
    >>> model
    Model(TokenCut on cpu)
    """
    load_plugins()
    where, changes = os.fspath(source), dict(options)
    if backbone is not None:
        changes["backbone"] = _backbone(backbone)
    target = pick_device(device)
    (kind,) = parse_refinements(refine)
    return Model(_build(where, changes), target, kind)


def _build(source: str, changes: Mapping[str, Any]) -> Method:
    if is_config(source):
        return build_from_config(source, changes, "sod.load", import_method)
    if source.endswith(FILES) or Path(source).exists():
        if Path(source).is_dir():
            raise SodError(f"sod.load {source}: is a folder: give a file such as best.ckpt in it.")
        if not Path(source).is_file():
            raise SodError(f"sod.load {source}: there is no such file.{suggest_path(source)}")
        return build_from_checkpoint(source, changes)
    names = [cls.__name__ for cls in known_methods()]
    if source in names or "." in source:
        return build_method(full_name(import_method(source, "sod.load")), changes, {}, "sod.load")
    hint = suggest(source, [*packaged_configs(), *names])
    if hint or os.sep in source:
        raise SodError(f"sod.load {source}: there is no such file, config or method.{hint}")
    find_config(source, "sod.load")
    raise AssertionError("find_config accepts no name that is_config refuses")


def _backbone(backbone: str | Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a backbone; the weight-free one gets no weights."""
    fields: dict[str, Any] = {"name": backbone} if isinstance(backbone, str) else dict(backbone)
    if fields.get("name") == "descriptor":
        fields.setdefault("weights", None)
    return fields
