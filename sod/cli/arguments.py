"""The words of a command line, before any parser sees them."""

import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import takewhile

from sod.core.configs import find_config

MANY = frozenset({"--source"})
"""Options that take several words."""


def normalise(arguments: Sequence[str], flags: set[str]) -> list[str]:
    """Return the words as the parser expects them.

    Dashes in keys become underscores, flags get their value (``--save-maps`` becomes
    ``--save_maps=true``), a packaged config its path (``--config tokencut``), and several
    words of one option a list.

    Args:
        arguments: Command line after the command's name.
        flags: Names of the boolean options.

    Raises:
        SodError: There is no such config.
    """
    result: list[str] = []
    joined: set[int] = set()
    for index, argument in enumerate(arguments):
        if index in joined:
            continue
        if result and result[-1] in {"--config", "-c"}:
            result.append(find_config(argument))
            continue
        if not argument.startswith("--"):
            result.append(argument)
            continue
        key, equals, value = argument.partition("=")
        key = "--" + key[2:].replace("-", "_")
        following = arguments[index + 1] if index + 1 < len(arguments) else "--"
        if key[2:] in flags and not equals and following.lower() not in {"true", "false"}:
            equals, value = "=", "true"
        if key == "--config" and equals:
            value = find_config(value)
        if key in MANY and not equals:
            values = list(takewhile(lambda word: not word.startswith("--"), arguments[index + 1 :]))
            if len(values) > 1:  # such as a pattern that the shell has replaced
                joined = set(range(index + 1, index + 1 + len(values)))
                equals, value = "=", json.dumps(values)
        result.append(f"{key}{equals}{value}")
    return result


def pairs(arguments: Sequence[str]) -> Iterator[tuple[str, str | None]]:
    """Yield ``(key, value)`` of each option; without ``=``, the value is the next word."""
    for index, argument in enumerate(arguments):
        if not argument.startswith("-") or argument == "-":
            continue
        key, equals, value = argument.partition("=")
        after = arguments[index + 1] if index + 1 < len(arguments) else None
        yield key.lstrip("-"), value if equals else after


def is_known(key: str, known: Iterable[str]) -> bool:
    """Return whether a dotted key is one of those known, or lies in a mapping, ``NAME.*``."""
    return any(key == each or (each.endswith(".*") and key.startswith(each[:-1])) for each in known)
