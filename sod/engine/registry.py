"""The registered methods: the only ones that a checkpoint, a model or a teacher's file may name.

A method is registered as soon as the module that defines it is imported. A file never causes an
import: opening it would run the code of whoever wrote it. A user's own package is imported where
the user names it, with :func:`import_method`.
"""

import inspect
from collections.abc import Iterator
from importlib import import_module

from sod.core.errors import SodError, suggest
from sod.engine.method import Method


def known_methods() -> Iterator[type[Method]]:
    """Yield every concrete method that is registered."""
    waiting = list(Method.__subclasses__())
    while waiting:
        cls = waiting.pop(0)
        waiting += cls.__subclasses__()
        if not inspect.isabstract(cls) and not _is_traced(cls):
            yield cls


def _is_traced(cls: type) -> bool:
    """Return whether torch made a class while it traced a method; it has the method's full name."""
    return any(base.__module__.startswith("torch.fx.") for base in cls.__mro__)


def method_class(name: str, option: str) -> type[Method]:
    """Return the registered method of a class name, or of a full path such as ``package.Class``.

    Args:
        name: The name, as a file or an option states it. Nothing is imported.
        option: The option or file that states it, for the message.

    Raises:
        SodError: There is no such method, or several registered ones have this name.
    """
    _check_text(name, option)
    # A module that is imported again, as in a notebook, defines its methods anew.
    known = list({full_name(cls): cls for cls in known_methods()}.values())
    found = [cls for cls in known if name in (full_name(cls), cls.__name__)]
    if len(found) == 1:
        return found[0]
    if found:
        paths = " and ".join(sorted(full_name(cls) for cls in found))
        raise SodError(f"{option}: '{name}' is the name of {paths}: give the whole path.")
    names = sorted({cls.__name__ for cls in known})
    remedy = " A file may name registered methods only." if "." in name else ""
    raise SodError(
        f"{option}: there is no method {name!r:.80}.{remedy}"
        f"{suggest(name.rpartition('.')[2], names)} Known: {', '.join(names)}; that of another "
        "package needs --plugins MODULE."
    )


def import_method(name: str, option: str) -> type[Method]:
    """Return a method that the user names; a full path imports the user's own module.

    Args:
        name: A class name, or the full path of a class in any importable module.
        option: The option that names it, for the message.

    Raises:
        SodError: The module cannot be imported, or it has no such method.
    """
    _check_text(name, option)
    module, _, _ = name.rpartition(".")
    if not module or any(full_name(cls) == name for cls in known_methods()):
        return method_class(name, option)
    try:
        import_module(module)
    except (ImportError, ValueError) as error:
        raise SodError(f"{option} {name!r:.80}: cannot be imported: {error}.") from error
    return method_class(name, option)


def _check_text(name: object, option: str) -> None:
    """Refuse anything but a text, as a file may state any value."""
    if not isinstance(name, str):
        raise SodError(f"{option}: {name!r:.60} is not the name of a method.")


def full_name(cls: type) -> str:
    """Return the module and the name of a class, joined by a dot."""
    return f"{cls.__module__}.{cls.__qualname__}"
