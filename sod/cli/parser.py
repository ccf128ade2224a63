"""Argument parser of the commands: LightningCLI's, with short help and one-line errors."""

import inspect
import json
import re
import sys
from argparse import SUPPRESS
from ast import literal_eval
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Any, NoReturn

from jsonargparse import Namespace
from pytorch_lightning.cli import LightningArgumentParser

from sod.cli.arguments import normalise
from sod.cli.keys import check_keys, plugins_of
from sod.core.errors import SodError
from sod.engine.plugins import load_plugins

GENERAL = ("trainer", "model", "seed_everything")
"""Groups of options that the short help summarises in one line each."""


CONFIG = "A YAML file, or a packaged config by its name (`sod configs` lists them)."
TESTING = ("root", "test", "num_workers", "eval_batch_size", "drop_defects")
DATA = {
    "predict": ("num_workers", "eval_batch_size"),
    "export": (),
    "demo": (),
    **dict.fromkeys(("test", "evaluate"), TESTING),
}
"""Options of the data that concern a command, where not all of them do."""

AUGMENTATION = "  --data.augmentation.*  crop, flip, jitter, ..., paste, empty: see --help_all"
PLUGINS = "modules with methods, backbones, refinements or measures of your own, comma-separated"


UNION = re.compile(
    r'Parser key "(?P<key>[^"]+)":\s+Does not validate against any of the Union subtypes\s+'
    r"Subtypes: \[(?P<types>[^\n]*)\](?:(?!Parser key).)*?Given value: (?P<value>[^\n]*)",
    re.DOTALL,
)
"""jsonargparse's error of a value that may have several types: the key, the types and the value."""


class SodParser(LightningArgumentParser):
    """Parser that raises :class:`SodError` where argparse prints its usage and exits."""

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Raise an error with a one-line form of ``message``.

        Raises:
            SodError: Always.
        """
        raise SodError(concise(message)) from ex

    def parse_args(  # type: ignore[override]
        self,
        args: Sequence[str] | None = None,
        *rest: Any,  # noqa: ANN401 - jsonargparse's own arguments
        **named: Any,  # noqa: ANN401
    ) -> Namespace:
        """Parse arguments; that of a nested class comes as Python writes it, and null as None."""
        if args is not None and len(args) == 1:
            args = [as_json(args[0])]
        parsed: Namespace = super().parse_args(args, *rest, **named)
        return parsed

    def dests(self) -> set[str]:
        """Return all dotted keys of the parser."""
        keys = {action.dest for action in self._actions}
        return keys | {option.lstrip("-") for a in self._actions for option in a.option_strings}

    def read(self, command: str, summary: str, arguments: Sequence[str]) -> Namespace:
        """Print help and exit if asked for, else check the keys and parse.

        Args:
            command: Name of the command.
            summary: One line on what it does.
            arguments: Normalised command line after the command's name.

        Raises:
            SodError: A key is unknown, or a value is invalid.
        """
        if "--help" in arguments or "-h" in arguments:
            sys.stdout.write(self.short_help(command, summary) + "\n")
            sys.exit(0)
        if "--help_all" in arguments:
            self.print_help()
            sys.exit(0)
        if not any(".help" in argument for argument in arguments):
            check_keys(arguments, self.dests())
        try:
            return self.parse_args(list(arguments))
        except (ValueError, TypeError, AttributeError, KeyError, RecursionError) as error:
            raise SodError(f"the configuration: {concise(str(error))}") from error

    def short_help(self, command: str, summary: str) -> str:
        """Return the help of one command: its own options and those of the data.

        Args:
            command: Name of the command.
            summary: One line on what it does.
        """
        configured = "model" in self.dests()
        config = "--config FILE" if configured else "[--config FILE]"
        positionals = [action for action in self._actions if not action.option_strings]
        words = [command, *("|".join(action.choices or [action.dest]) for action in positionals)]
        lines = [f"usage: sod {' '.join(words)} {config} [--key value ...]", "", summary, ""]
        concerned = DATA.get(command)
        rows = [
            *self._rows("", lambda key: "." not in key),
            *self._rows("data.", lambda key: _is_shown(key, concerned)),
        ]
        if not configured:
            rows += self._rows("model.", lambda _: True)
        width = max(len(key) for key, _ in rows) + 2
        lines += [f"  {key:<{width}}{text}" for key, text in rows]
        lines.append("")
        if configured and concerned is None:
            lines.append(AUGMENTATION)
        if configured:
            lines += [
                "  --model.*     the method's parameters; `--model.help NAME` explains them",
                "  --trainer.*   Lightning's Trainer: devices, precision, strategy, max_steps, ...",
            ]
        lines += [
            "  --print_config  print the whole configuration and stop",
            "  --help_all    every option there is",
        ]
        return "\n".join(lines)

    def _rows(self, prefix: str, keep: Callable[[str], bool]) -> Iterable[tuple[str, str]]:
        for action in self._actions:
            key = action.dest
            if key in {"help", "print_config", "data", *GENERAL} or not action.help:
                continue
            if key.startswith(prefix) and keep(key) and ".help" not in key:
                text = CONFIG if key == "config" else " ".join(str(action.help).split())
                if action.default == SUPPRESS:  # a whole group of fields
                    continue
                default = "" if action.default is None else f" (default: {action.default})"
                note = " (required)" if action.required else default
                dashes = "--" if action.option_strings else ""
                yield f"{dashes}{key}", f"{text}{note}".replace("%%", "%").replace("``", "`")


def _is_shown(key: str, concerned: Sequence[str] | None) -> bool:
    """Return whether the short help has a line for an option of the data."""
    name = key.removeprefix("data.")
    return not name.startswith("augmentation.") and (concerned is None or name in concerned)


def read_options(
    run: Callable[..., int],
    add_options: Callable[[SodParser], None],
    arguments: Sequence[str],
    flags: Iterable[str] = (),
) -> Namespace:
    """Parse the command line of a command that builds no method.

    Args:
        run: Function of the command: its name, and the first line of its docstring for the help.
        add_options: Adds the command's options to a parser.
        arguments: Command line after the command's name.
        flags: Names of its boolean options.

    Raises:
        SodError: A key of the command line or of a config is unknown, or a value is invalid.
    """
    words = normalise(arguments, set(flags))
    load_plugins(plugins_of(words))
    summary = (inspect.getdoc(run) or "").partition("\n")[0]
    parser = SodParser(prog=f"sod {run.__name__}", description=summary)
    parser.add_argument("-c", "--config", action="config", help=CONFIG)
    add_options(parser)
    parser.add_argument("--plugins", type=str | list[str] | None, default=None, help=PLUGINS)
    return parser.read(run.__name__, summary, words)


def as_json(argument: str) -> str:
    """Write the value of ``--key=VALUE`` as JSON if it is Python's None, list or dict."""
    key, separator, text = argument.partition("=")
    if separator and (text == "None" or text[:1] in {"[", "{"}):
        with suppress(ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            return f"{key}={json.dumps(literal_eval(text))}"
    return argument


def concise(message: str) -> str:
    """Shorten a parser's message to one line: the key, the expected and the given value."""
    nested = re.search(r"- (\S+: .*? got '.*?'\.)", message)
    if nested:  # the error of a nested parser, already concise
        return nested[1]
    refused = re.search(r"Group '[^']*' does not accept option '[^']*'", message)
    if refused:
        return f"{refused[0]}."
    unions = list(UNION.finditer(message))
    if unions:
        names = re.sub(r"<class '(?:\w+\.)*(\w+)'>", r"\1", unions[-1]["types"])
        kinds = names.replace("NoneType", "null").replace(", ", " or ")
        return f"{unions[-1]['key']}: expected {kinds}, got '{unions[-1]['value']}'."
    value = re.search(
        r'key "(?P<key>[^"]+)":\s*(?P<what>[^\n]*?)\.? Got value: (?P<value>[^\n]*)', message
    )
    if value:
        expected = re.sub(r"<class '([\w.]+)'>", r"\1", value["what"]).strip()
        return f"{value['key']}: {expected}, got '{value['value']}'."
    return " ".join(message.split())
