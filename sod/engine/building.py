"""Methods built from names and arguments, from a config's `model` section, or from a checkpoint."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from jsonargparse import ArgumentParser

from sod.core.errors import SodError
from sod.core.files import read_yaml
from sod.engine.build_errors import build_error
from sod.engine.checkpoint import load_checkpoint, method_of_checkpoint
from sod.engine.method import Method
from sod.engine.registry import full_name, method_class
from sod.engine.stated import check_arguments
from sod.tuning.choice import tuned_of


def build_from_checkpoint(path: str, changes: Mapping[str, Any] | None = None) -> Method:
    """Build the method that a checkpoint states, with its weights.

    Args:
        path: A checkpoint of `sod fit`, or a model of `sod export`.
        changes: Arguments that replace the stated ones, field by field.

    Raises:
        SodError: The file is missing or unusable.
    """
    name, arguments = method_of_checkpoint(path)
    method = build_method(name, merged(arguments, changes or {}), {}, path)
    load_checkpoint(method, path)
    return method


def build_from_config(
    path: str,
    changes: Mapping[str, Any] | None = None,
    option: str = "--config",
    find: Callable[[str, str], type[Method]] = method_class,
) -> Method:
    """Build the method of a config, or of several joined by ``+``, the later overriding.

    Args:
        path: ``CONFIG[+CONFIG...]``: YAML files, or names of packaged configs.
        changes: Arguments that replace those of the config, field by field.
        option: What named the config, for messages.
        find: Returns the class of a name: a registered one, or with
            :func:`sod.engine.registry.import_method` also one of the user's own package.

    Raises:
        SodError: A file is missing or unusable.
    """
    model: dict[str, Any] = {}
    for part in path.split("+"):
        model = merged(model, _model_section(part, option, model))
    arguments = merged(model.get("init_args", {}), changes or {})
    return build_method(full_name(find(model["class_path"], path)), arguments, {}, path)


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


def merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Return nested fields, those of ``above`` in place of those of ``below``."""
    joined = dict(below)
    for key, value in above.items():
        old = joined.get(key)
        if isinstance(old, Mapping) and isinstance(value, Mapping):
            value = merged(old, value)
        joined[key] = value
    return joined


def _model_section(path: str, option: str, below: Mapping[str, Any]) -> dict[str, Any]:
    """Return the ``model`` section of a config, or what a tuned descriptor sets in ``below``."""
    content = read_yaml(path, option)
    tuned = tuned_of(content, path)
    if tuned is not None and "class_path" in below:
        return {"init_args": method_class(below["class_path"], path).tuned_arguments(tuned)}
    model = content.get("model")
    if isinstance(model, str):
        return {"class_path": model}
    if not isinstance(model, dict) or "class_path" not in model:
        raise SodError(f"{option} {path}: has no `model:` with a `class_path:`.")
    return model


def _instantiate(cls: type[Method], arguments: dict[str, Any], where: str) -> Method:
    parser = ArgumentParser(exit_on_error=False)
    parser.add_class_arguments(cls, "model")
    try:
        built = parser.instantiate(parser.parse_object({"model": arguments}))["model"]
    except Exception as error:  # a file can state anything
        raise build_error(error, f"{where}: {cls.__name__}") from error
    assert isinstance(built, Method)  # noqa: S101 - narrows the type
    return built
