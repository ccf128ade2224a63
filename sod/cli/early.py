"""Mistakes that can be reported before PyTorch is imported: absent files, misspelt options."""

from collections.abc import Sequence
from pathlib import Path

from sod.cli.arguments import normalise, pairs
from sod.cli.catalogue import Command
from sod.core.errors import SodError, suggest, suggest_path

GENERAL = ("config", "c", "model", "data", "trainer", "seed_everything", "print_config", "plugins")
"""Options that every command with a method has, without dotted ones."""


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
