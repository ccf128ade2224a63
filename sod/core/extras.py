"""Libraries that only some functions need, imported when these are used."""

from importlib import import_module
from typing import Any

from sod.core.errors import SodError


def optional(module: str, extra: str, user: str) -> Any:  # noqa: ANN401 - a module
    """Import a module of an optional dependency.

    Args:
        module: Dotted name of the module.
        extra: Extra of this package that installs it.
        user: What needs it, for the message.

    Raises:
        SodError: It is not installed.
    """
    try:
        return import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        raise SodError(f"{user} needs {package}: pip install 'sod[{extra}]'.") from error
