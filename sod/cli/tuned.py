"""Tuned descriptors among the configs of a command line."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sod.cli.keys import model_name
from sod.core.errors import SodError
from sod.core.files import read_yaml
from sod.engine.registry import import_method
from sod.tuning.choice import Tuned, tuned_of


def expand_tuned(arguments: Sequence[str]) -> list[str]:
    """Replace each config that `sod tune` wrote by the options that the method takes from it.

    Args:
        arguments: Normalised command line after the command's name.

    Raises:
        SodError: Such a config is damaged, or the method has no use for it.
    """
    result: list[str] = []
    waiting = list(arguments)
    while waiting:
        word = waiting.pop(0)
        key, equals, value = word.partition("=")
        if key not in {"--config", "-c"} or not (equals or waiting):
            result.append(word)
            continue
        path = value if equals else waiting.pop(0)
        tuned = tuned_of(read_yaml(path, "--config"), path)
        result += [key, path] if tuned is None else _options(tuned, path, arguments)
    return result


def _options(tuned: Tuned, path: str, arguments: Sequence[str]) -> Iterator[str]:
    name = model_name(arguments)
    if name is None:
        raise SodError(f"--config {path}: names no method; give a method's config before it")
    chosen = import_method(name, "model").tuned_arguments(tuned)
    yield from (f"--model.{key}={_text(value)}" for key, value in _flat(chosen))


def _flat(arguments: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in arguments.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _text(value: Any) -> str:  # noqa: ANN401 - a primitive
    return value if isinstance(value, str) else json.dumps(value)
