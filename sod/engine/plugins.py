"""Methods, backbones, refinements and measures of other packages.

A package announces them as entry points, or the user names its modules (``--plugins``). Importing a
module registers its methods. The groups of entry points:

- ``sod.methods``: subclasses of :class:`sod.engine.method.Method`; the name is free.
- ``sod.backbones``: functions from a :class:`sod.nn.backbones.build.BackboneConfig` to a
  :class:`sod.nn.backbones.base.Backbone`; the name is that of ``backbone.name``.
- ``sod.refinements``: functions from images and saliency to saliency; the name is that of
  ``--refine``.
- ``sod.measures``: instances of :class:`sod.metrics.catalogue.OwnMeasure`; the name is that of
  ``--measures``.
"""

import os
import sys
from collections.abc import Iterable
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points

from sod.core.at_end import AT_END
from sod.core.errors import SodError, suggest
from sod.core.registry import Registry
from sod.metrics.catalogue import OWN_MEASURES
from sod.nn.backbones.builders import BUILDERS
from sod.refinement.kinds import REFINEMENTS

VARIABLE = "SOD_PLUGINS"
"""Environment variable with modules, comma-separated, for the processes that a command starts."""

METHODS = "sod.methods"
REGISTRIES: dict[str, Registry[object]] = {
    "sod.backbones": BUILDERS,  # type: ignore[dict-item]
    "sod.refinements": REFINEMENTS,  # type: ignore[dict-item]
    "sod.measures": OWN_MEASURES,  # type: ignore[dict-item]
}


def load_plugins(modules: Iterable[str] = ()) -> None:
    """Import the installed plug-ins, and modules that the user names.

    Args:
        modules: Importable modules; the current folder counts.

    Raises:
        SodError: A named module cannot be imported. An installed plug-in that cannot is reported on
            standard error and left out: it must not keep others from working.
    """
    _load_installed()
    inherited = [name for name in os.environ.get(VARIABLE, "").split(",") if name]
    named = list(dict.fromkeys([*inherited, *modules]))
    for name in named:
        _import_named(name)
    if modules:
        AT_END.callback(os.environ.__setitem__, VARIABLE, os.environ.get(VARIABLE, ""))
        os.environ[VARIABLE] = ",".join(named)  # for the processes that the command starts


def split_modules(value: object) -> list[str]:
    """Return the modules that ``--plugins`` or the key ``plugins`` of a config names.

    Args:
        value: A list, or text separated by commas; None for none.
    """
    if value is None:
        return []
    parts = value if isinstance(value, list) else str(value).strip("[]").split(",")
    return [str(part).strip(" '\"") for part in parts if str(part).strip()]


def _import_named(name: str) -> None:
    if name in sys.modules:
        return
    if "" not in sys.path and os.getcwd() not in sys.path:  # noqa: PTH109 - sys.path holds text
        sys.path.append(os.getcwd())  # noqa: PTH109
    try:
        import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and name.startswith(error.name):
            raise SodError(f"--plugins {name}: there is no such module.{_similar(name)}") from error
        raise SodError(f"--plugins {name}: needs the package {error.name}.") from error
    except (ImportError, SyntaxError) as error:
        raise SodError(f"--plugins {name}: cannot be imported: {error}.") from error


def _similar(name: str) -> str:
    """Suggest the nearest module of the current folder."""
    files = [entry.partition(".")[0] for entry in os.listdir() if entry.endswith(".py")]  # noqa: PTH208
    return suggest(name, files)


@cache
def _load_installed() -> None:
    """Import every entry point, once per process."""
    for entry in entry_points(group=METHODS):
        _load(entry)
    for group, registry in REGISTRIES.items():
        for entry in entry_points(group=group):
            item = _load(entry)
            if item is not None:
                registry.register(entry.name, item)


def _load(entry: EntryPoint) -> object | None:
    try:
        loaded: object = entry.load()
    except Exception as error:  # whatever another package raises while it is imported
        package = entry.dist.name if entry.dist else entry.value
        reason = " ".join(str(error).split())
        sys.stderr.write(
            f"warning: the plug-in {entry.name} of {package} is left out: "
            f"{type(error).__name__}: {reason}\n"
        )
        return None
    return loaded
