"""Constructor arguments that a file states: plain values that name no class.

The parser of the command line imports a ``class_path`` anywhere in its input, and opens a file if
it finds a string in the place of a group of fields. A user may write that. A checkpoint may not.
"""

import inspect
import math
from collections.abc import Mapping
from dataclasses import is_dataclass
from typing import Any, get_args, get_origin, get_type_hints

from sod.core.errors import SodError

FORBIDDEN = frozenset({"class_path", "init_args", "dict_kwargs"})
"""Keys that name a class to the parser of the command line."""

DEEPEST = 16
"""Levels of nesting that are accepted; those of a method have at most four."""


def check_arguments(cls: type, arguments: object, where: str) -> dict[str, Any]:
    """Check arguments that a file states for a class, and return them.

    Args:
        cls: The class that they are for.
        arguments: What the file states.
        where: The file, for messages.

    Raises:
        SodError: They are no mapping, hold something other than plain values, name a class, or give
            no fields where fields are expected.
    """
    if not isinstance(arguments, Mapping):
        raise SodError(f"{where}: is damaged: the arguments of {cls.__name__} are no mapping.")
    check_plain(arguments, where)
    hints = get_type_hints(inspect.getattr_static(cls, "__init__"))
    parameters = inspect.signature(cls).parameters
    for name, value in arguments.items():
        if name in parameters:
            _check_fields(hints.get(name), value, f"{where}: {name}")
    return dict(arguments)


def check_plain(value: object, where: str, levels: int = DEEPEST) -> None:
    """Check that a file states plain values only, at any depth.

    Args:
        value: What it states.
        where: The file, for messages.
        levels: Levels of nesting that are accepted.

    Raises:
        SodError: It holds something else, names a class, holds a number that is not finite, or is
            nested too deeply.
    """
    if not levels:
        raise SodError(f"{where}: is damaged: its arguments are nested too deeply.")
    if isinstance(value, Mapping):
        for key, item in value.items():
            if not isinstance(key, str) or not key.isidentifier() or key in FORBIDDEN:
                raise SodError(f"{where}: refused, its arguments may not have the key {key!r:.60}.")
            check_plain(item, where, levels - 1)
    elif isinstance(value, list | tuple):
        for item in value:
            check_plain(item, where, levels - 1)
    elif isinstance(value, float) and not math.isfinite(value):
        raise SodError(f"{where}: refused, its arguments hold {value}: give a finite number.")
    elif not isinstance(value, str | int | float | bool | None):
        kind = type(value).__name__
        raise SodError(f"{where}: refused, its arguments hold a {kind} and not plain values.")


def _check_fields(hint: object, value: object, where: str) -> None:
    """Refuse anything but a mapping in the place of a dataclass: a string would be a file."""
    if isinstance(hint, type) and is_dataclass(hint):
        if not isinstance(value, Mapping):
            raise SodError(f"{where}: refused, fields are expected and not {value!r:.60}.")
        hints = get_type_hints(hint)
        for name, item in value.items():
            _check_fields(hints.get(name), item, f"{where}.{name}")
    elif get_origin(hint) is list and isinstance(value, list | tuple):
        for item in value:
            _check_fields(get_args(hint)[0], item, where)
    elif value is not None and get_args(hint):
        for option in get_args(hint):
            if isinstance(option, type) and is_dataclass(option):
                _check_fields(option, value, where)
