"""The words of a command line, before any parser sees them."""

from collections.abc import Iterator, Sequence

from sod.core.configs import find_config


def normalise(arguments: Sequence[str], flags: set[str]) -> list[str]:
    """Return the words as the parser expects them.

    Dashes in keys become underscores, flags get their value (``--save-maps`` becomes
    ``--save_maps=true``), and a packaged config its path (``--config tokencut``).

    Args:
        arguments: Command line after the command's name.
        flags: Names of the boolean options.

    Raises:
        SodError: There is no such config.
    """
    result: list[str] = []
    for index, argument in enumerate(arguments):
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
