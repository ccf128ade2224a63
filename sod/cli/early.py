"""Mistakes that can be reported before PyTorch is imported: absent files, misspelt options."""

from collections.abc import Sequence
from pathlib import Path

from sod.cli.arguments import is_known, normalise, pairs
from sod.cli.catalogue import Command
from sod.cli.signatures import module_of_method, parameters
from sod.core.errors import SodError, suggest, suggest_path

GENERAL = ("config", "c", "model", "data", "trainer", "seed_everything", "print_config", "plugins")
"""Options that every command with a method has, without dotted ones."""

GROUPS, DATA = ("data", "model"), "sod.data.datamodule"


def check_early(command: Command, arguments: Sequence[str]) -> None:
    """Check the configs and the checkpoint of a command line, and options without a dot.

    Args:
        command: The command.
        arguments: Command line after the command's name.

    Raises:
        SodError: A file is absent, or there is no such option.
    """
    words = normalise(arguments, set())
    if not command.configured:
        return
    known = [*GENERAL, *command.keys, "h", "help", "help_all"]
    for key, value in pairs(words):
        if "." not in key and key.isidentifier() and key not in known:
            raise SodError(f"command line: unknown key '{key}'.{suggest(key, known)}")
        if key == "ckpt" and value and not Path(value).exists():
            raise SodError(f"--ckpt {value}: there is no such file.{suggest_path(value)}")
    _check_dotted([key for key, _ in pairs(words)], words)


def _check_dotted(keys: Sequence[str], words: Sequence[str]) -> None:
    """Check the options of data and method, as far as the source of this package knows them."""
    keys = [key.replace(".init_args", "") for key in keys if ".help" not in key]
    dotted = {group: [key for key in keys if key.startswith(f"{group}.")] for group in GROUPS}
    method = _method(words) if dotted["model"] else None
    modules = {"data": DATA, "model": module_of_method(method) if method else None}
    for group, given in dotted.items():
        module, name = modules[group], "SaliencyData" if group == "data" else method
        if not given or module is None or name is None:
            continue
        known = {f"{group}.{key}" for key in parameters(module, name.rpartition(".")[2])}
        for key in given:
            if not is_known(key, known) and key != "model.class_path":
                raise SodError(f"command line: unknown key '{key}'.{suggest(key, known)}")


def _method(words: Sequence[str]) -> str | None:
    """Return the method that the command line or its configs name; None if that is not plain."""
    given = list(pairs(words))
    if any(key == "plugins" for key, _ in given):
        return None
    named = [value for key, value in given if key in {"model", "model.class_path"}]
    if not named:
        named = [_of_config(value) for key, value in given if key in {"config", "c"} and value]
    name = next((each for each in reversed(named) if each), None)
    return None if name is None or name.startswith("{") else name


def _of_config(path: str) -> str | None:
    import yaml

    try:
        content = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError, yaml.YAMLError):
        return None  # reported later
    if not isinstance(content, dict) or "plugins" in content:
        return None
    model = content.get("model")
    name = model.get("class_path") if isinstance(model, dict) else model
    return name if isinstance(name, str) else None
