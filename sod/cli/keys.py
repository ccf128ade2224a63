"""Check the keys of a command line and its config files before anything is built.

jsonargparse reports a misspelt method parameter as a failed union; here the key, its file and the
nearest known one are named instead.
"""

import inspect
import json
from collections.abc import Iterator, Sequence
from dataclasses import is_dataclass
from pathlib import Path
from typing import Any, get_type_hints

import yaml

from sod.core.errors import SodError, suggest
from sod.engine.method import Method, known_methods

Entry = tuple[str, str]
"""Where a key was found (a file, or the command line) and the dotted key."""


def method_class(name: str) -> type[Method]:
    """Return the method of this class name; a dotted path may lead to it.

    Raises:
        SodError: There is no such method; the known ones are listed.
    """
    known = {cls.__name__: cls for cls in known_methods()}
    short = name.rpartition(".")[2]
    if short not in known:
        raise SodError(
            f"model: there is no method '{name}'.{suggest(short, known)} "
            f"Known: {', '.join(sorted(known))}."
        )
    return known[short]


def check_keys(arguments: Sequence[str], known: set[str]) -> None:
    """Refuse unknown keys of the command line and of the config files it names.

    Args:
        arguments: The command line, as ``--key=value`` or ``--key value``.
        known: Every dotted key that the parser itself knows, without those of the method.

    Raises:
        SodError: A key is unknown (the nearest known one is named), or a config cannot be read.
    """
    entries = list(_entries(arguments))
    name = _model_name(arguments)
    if name is not None:
        known = known | {f"model.{key}" for key in _parameters(method_class(name))}
    for place, key in entries:
        plain = key.replace(".init_args", "")
        if plain in known or plain == "model.class_path" or plain.startswith("trainer."):
            continue
        if plain.startswith("model.") and name is None:
            continue  # the missing method is the error to report
        raise SodError(f"{place}: unknown key '{plain}'.{suggest(plain, known)}")


def _parameters(cls: type) -> Iterator[str]:
    """Yield the dotted names of a constructor's parameters, those of dataclasses included."""
    hints = get_type_hints(vars(cls)["__init__"])
    for name in inspect.signature(cls).parameters:
        yield name
        hint = hints.get(name)
        if isinstance(hint, type) and is_dataclass(hint):
            yield from (f"{name}.{key}" for key in _parameters(hint))


def _pairs(arguments: Sequence[str]) -> Iterator[tuple[str, str | None]]:
    """Yield ``(key, value)`` of each option; the value is None where the next option follows."""
    for index, argument in enumerate(arguments):
        if not argument.startswith("-") or argument == "-":
            continue
        key, equals, value = argument.partition("=")
        after = arguments[index + 1] if index + 1 < len(arguments) else None
        yield key.lstrip("-"), value if equals else after


def _configs(arguments: Sequence[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    for key, value in _pairs(arguments):
        if key in {"c", "config"} and value:
            yield value, read_config(value)


def read_config(path: str) -> dict[str, Any]:
    """Read a YAML config as a mapping.

    Raises:
        SodError: The file is missing, is no YAML, or is no mapping.
    """
    if not Path(path).is_file():
        near = [str(file) for file in Path(path).parent.glob("*.yaml")]
        raise SodError(f"--config {path}: there is no such file.{suggest(path, near)}")
    try:
        content = yaml.safe_load(Path(path).read_text())
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        detail = " ".join(str(error).split())
        raise SodError(f"--config {path}: is not valid YAML: {detail}") from error
    if not isinstance(content, dict):
        raise SodError(f"--config {path}: expected keys such as `model:` and `data:`.")
    return content


def _model_name(arguments: Sequence[str]) -> str | None:
    name = None
    for _, config in _configs(arguments):
        model = config.get("model")
        name = model.get("class_path", name) if isinstance(model, dict) else model or name
    for key, value in _pairs(arguments):
        if key in {"model", "model.class_path"} and value:
            name = json.loads(value)["class_path"] if value.startswith("{") else value
    return name


def _entries(arguments: Sequence[str]) -> Iterator[Entry]:
    for file, config in _configs(arguments):
        yield from ((file, key) for key in _flatten(config))
    for key, _ in _pairs(arguments):
        if len(key) > 1 and not key[0].isdigit():
            yield "command line", key


def _flatten(config: dict[str, Any], prefix: str = "") -> Iterator[str]:
    for name, value in config.items():
        key = f"{prefix}{name}"
        if isinstance(value, dict) and value:
            yield from _flatten(value, f"{key}.")
        else:
            yield key
