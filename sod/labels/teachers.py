"""Teachers: methods from a config or a checkpoint, whose maps others are trained on."""

import inspect
from collections.abc import Mapping
from typing import Any

from jsonargparse import ArgumentError, ArgumentParser

from sod.core.configs import is_config
from sod.core.errors import SodError
from sod.core.files import read_yaml, state_checksum
from sod.engine.checkpoint import load_checkpoint, method_of_checkpoint
from sod.engine.method import Method
from sod.engine.registry import method_class
from sod.engine.stated import check_arguments
from sod.refinement.kinds import Refinement


def build_teacher(path: str) -> Method:
    """Build the method of a checkpoint, or of the ``model`` section of a config.

    Args:
        path: A checkpoint of `sod fit`, or ``CONFIG[+CONFIG...]``, the later overriding; a config
            is a YAML file or the name of a packaged one.

    Raises:
        SodError: A file is missing or unusable.
    """
    if not is_config(path.partition("+")[0]):
        name, arguments = method_of_checkpoint(path)
        method = build_method(name, arguments, {}, path)
        load_checkpoint(method, path)
        return method
    model: dict[str, Any] = {}
    for part in path.split("+"):
        model = _merged(model, _model_section(part))
    return build_method(model["class_path"], model.get("init_args", {}), {}, path)


def build_method(
    class_path: str, init_args: Mapping[str, Any], defaults: Mapping[str, Any], where: str
) -> Method:
    """Build a method by its name.

    Args:
        class_path: The name of its class, which has to be registered.
        init_args: Its constructor's arguments, as primitives.
        defaults: Arguments for those that the method has and ``init_args`` leaves out.
        where: The file or option that asks for it, for messages.

    Raises:
        SodError: There is no such registered method, or it does not take these arguments.
    """
    cls = method_class(class_path, where)
    taken = inspect.signature(cls).parameters
    given = {name: value for name, value in defaults.items() if name in taken}
    return _instantiate(cls, {**given, **check_arguments(cls, init_args, where)}, where)


def describe_source(teacher: Method, refinement: Refinement) -> dict[str, Any]:
    """Describe what makes the maps of a store; other weights are another source."""
    return {
        "method": type(teacher).__name__,
        "arguments": teacher.arguments(),
        "weights_sha256": state_checksum(teacher.state_dict()),
        "refine": refinement,
        "version": 1,
    }


def _model_section(path: str) -> dict[str, Any]:
    model = read_yaml(path, "teacher").get("model")
    if isinstance(model, str):
        return {"class_path": model}
    if not isinstance(model, dict) or "class_path" not in model:
        raise SodError(f"teacher {path}: has no `model:` with a `class_path:`.")
    return model


def _merged(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    joined = dict(below)
    for key, value in above.items():
        old = joined.get(key)
        if isinstance(old, dict) and isinstance(value, dict):
            value = _merged(old, value)
        joined[key] = value
    return joined


def _instantiate(cls: type[Method], arguments: dict[str, Any], where: str) -> Method:
    parser = ArgumentParser(exit_on_error=False)
    parser.add_class_arguments(cls, "model")
    try:
        built = parser.instantiate(parser.parse_object({"model": arguments}))["model"]
    except (ArgumentError, ValueError, TypeError) as error:
        detail = " ".join(str(error).split())
        raise SodError(f"{where}: {cls.__name__}: {detail}") from error
    assert isinstance(built, Method)  # noqa: S101 - narrows the type
    return built
