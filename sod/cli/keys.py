"""Check of the keys of a command line and its config files, before anything is built.

jsonargparse reports a misspelt method parameter as a failed union of types. The errors here name
the key, its file and the nearest known key instead.
"""

import inspect
from collections.abc import Iterator, Sequence
from dataclasses import is_dataclass
from itertools import pairwise
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import yaml

from sod.cli.arguments import is_known, pairs
from sod.core.errors import SodError, suggest
from sod.core.files import read_yaml
from sod.engine.plugins import split_modules
from sod.engine.registry import import_method

Entry = tuple[str, str]
"""Origin of a key (a file, or the command line), and the dotted key."""


def check_keys(arguments: Sequence[str], known: set[str]) -> None:
    """Check that all keys of a command line and of its config files are known.

    Args:
        arguments: Command line, as ``--key=value`` or ``--key value``.
        known: All dotted keys of the parser, without those of the method; ``model`` and ``trainer``
            are among them if the command builds a method and a trainer.

    Raises:
        SodError: A key is unknown (the message names the nearest known one), or a config cannot
            be read.
    """
    entries = list(_entries(arguments))
    has_model, has_trainer = "model" in known, "trainer" in known
    if has_model:
        _check_one_method(arguments)
    name = model_name(arguments) if has_model else None
    if name is not None:
        known = known | {f"model.{key}" for key in _parameters(import_method(name, "model"))}
    for origin, key in entries:
        plain = key.replace(".init_args", "")
        if is_known(plain, known) or (has_trainer and plain.startswith("trainer.")):
            continue
        if has_model and (plain == "model.class_path" or (not name and plain[:6] == "model.")):
            continue  # a missing method is reported later
        raise SodError(f"{origin}: unknown key '{plain}'.{suggest(plain, known)}")


def _parameters(cls: type) -> Iterator[str]:
    """Yield the dotted names of a constructor's parameters, with the fields of dataclasses.

    A mapping takes any key: it is ``NAME.*``.
    """
    hints = get_type_hints(vars(cls)["__init__"])
    for name in inspect.signature(cls).parameters:
        yield name
        hint = hints.get(name)
        for kind in get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,):
            if isinstance(kind, type) and is_dataclass(kind):
                yield from (f"{name}.{key}" for key in _parameters(kind))
            elif get_origin(kind) is dict:
                yield f"{name}.*"


def _configs(arguments: Sequence[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the path and the content of each config file."""
    for key, value in pairs(arguments):
        if key in {"c", "config"} and value:
            yield value, read_yaml(value, "--config")


def plugins_of(arguments: Sequence[str]) -> list[str]:
    """Return the modules that a command line and its configs name as plug-ins.

    Args:
        arguments: Normalised command line after the command's name.

    Raises:
        SodError: A config cannot be read.
    """
    named = [config.get("plugins") for _, config in _configs(arguments)]
    named += [value for key, value in pairs(arguments) if key == "plugins"]
    return [module for value in named for module in split_modules(value)]


def model_name(arguments: Sequence[str]) -> str | None:
    """Return the name of the method; later configs and the command line override.

    Args:
        arguments: Command line, as ``--key=value`` or ``--key value``.

    Raises:
        SodError: A config cannot be read.
    """
    name = None
    for _, config in _configs(arguments):
        name = _class_of(config) or name
    for key, value in pairs(arguments):
        if key in {"model", "model.class_path"} and value:
            name = _named(value) if value.startswith("{") else value
    return name


def _named(text: str) -> str:
    """Return the class that a mapping in JSON or YAML names.

    Raises:
        SodError: It names none.
    """
    try:
        name = yaml.safe_load(text)["class_path"]
    except (yaml.YAMLError, KeyError, TypeError, RecursionError) as error:
        raise SodError(f"--model {text[:60]}: is no mapping with a class_path.") from error
    return str(name)


def _class_of(config: dict[str, Any]) -> str | None:
    """Return the name of the method that one config names, or None."""
    model = config.get("model")
    name = model.get("class_path") if isinstance(model, dict) else model
    return str(name) if name else None


def _check_one_method(arguments: Sequence[str]) -> None:
    """Refuse configs of different methods: the keys of one would seem misspelt in the other."""
    named = [(file, _class_of(config)) for file, config in _configs(arguments)]
    named = [(file, name) for file, name in named if name is not None]
    for (first, one), (second, other) in pairwise(named):
        if str(one).rpartition(".")[2] != str(other).rpartition(".")[2]:
            raise SodError(
                f"--config {first} is of {one}, --config {second} of {other}: give configs of one "
                "method; the later one overrides."
            )


def _entries(arguments: Sequence[str]) -> Iterator[Entry]:
    for file, config in _configs(arguments):
        yield from ((file, key) for key in _flatten(config))
    for key, _ in pairs(arguments):
        if len(key) > 1 and not key[0].isdigit():
            yield "command line", key


def _flatten(config: dict[str, Any], prefix: str = "") -> Iterator[str]:
    for name, value in config.items():
        key = f"{prefix}{name}"
        if isinstance(value, dict) and value:
            yield from _flatten(value, f"{key}.")
        else:
            yield key
