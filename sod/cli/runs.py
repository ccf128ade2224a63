"""The configuration of a run (`RUN/config.yaml`), given to other commands than `fit`."""

import atexit
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

import yaml

from sod.cli.catalogue import COMMANDS
from sod.core.files import read_yaml

OWN = frozenset({"save_every", "grids_every"})
"""Keys by which a configuration that `fit` wrote is known."""


def without_training(command: str, arguments: Sequence[str]) -> list[str]:
    """Replace each configuration of a run by one without the options of `fit`.

    Method, data, trainer and seed stay. Results would otherwise go into the run's folder, and keys
    such as ``patience`` would be refused.

    Args:
        command: Name of the command.
        arguments: Normalised command line after the command's name.

    Raises:
        SodError: A config cannot be read.
    """
    if command == "fit":
        return list(arguments)
    result = list(arguments)
    for index, word in enumerate(arguments):
        key, equals, value = word.partition("=")
        if key in {"--config", "-c"} and equals:
            result[index] = f"{key}={_stripped(value)}"
        elif index and arguments[index - 1] in {"--config", "-c"}:
            result[index] = _stripped(word)
    return result


def _stripped(path: str) -> str:
    """Return the path of a copy without the options of `fit`; of another config, its own path."""
    content = read_yaml(path, "--config")
    if not content.keys() >= OWN:
        return path
    kept = {key: value for key, value in content.items() if key not in COMMANDS["fit"].keys}
    folder = Path(tempfile.mkdtemp(prefix="sod-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    copy = folder / Path(path).name
    copy.write_text(yaml.safe_dump(kept, sort_keys=False), encoding="utf-8")
    return str(copy)
