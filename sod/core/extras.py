"""Libraries that only some functions need, imported when these are used."""

from importlib import import_module
from typing import Any

from sod.core.errors import SodError


def optional(module: str, package: str, user: str) -> Any:  # noqa: ANN401 - a module
    """Import a module of an optional dependency.

    Args:
        module: Dotted name of the module.
        package: Name of the package that has it.
        user: What needs it, for the message.

    Raises:
        SodError: The package is not installed.
    """
    try:
        return import_module(module)
    except ImportError as error:
        raise SodError(f"{user} needs {package}: pip install {package}.") from error
