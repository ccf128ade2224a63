"""The commands of the program. Help and errors about names need no import of what they run."""

import ast
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from pathlib import Path

FOLDER = Path(__file__).parent / "commands"


@dataclass(frozen=True)
class Command:
    """A command of the program: a function of the same name in a module of ``cli.commands``.

    Args:
        name: Name on the command line, and of the function.
        module: Name of the module.
    """

    name: str
    module: str

    @cached_property
    def source(self) -> ast.FunctionDef:
        """The function as it is written, read without importing the module."""
        tree = ast.parse((FOLDER / f"{self.module}.py").read_text(encoding="utf-8"))
        found = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
        return next(node for node in found if node.name == self.name)

    @property
    def summary(self) -> str:
        """First line of the docstring of the function."""
        return (ast.get_docstring(self.source) or "").partition("\n")[0]

    @property
    def keys(self) -> list[str]:
        """Names of the function's parameters after the first."""
        return [argument.arg for argument in self.source.args.args[1:]]

    @property
    def configured(self) -> bool:
        """Whether the function gets an assembled program (``cli``) and the values of its options.

        Otherwise it gets the arguments of the command line.
        """
        return self.source.args.args[0].arg == "cli"

    @property
    def run(self) -> Callable[..., int]:
        """The function; it returns the exit code. The first access imports its module."""
        function: Callable[..., int] = getattr(
            import_module(f"sod.cli.commands.{self.module}"), self.name
        )
        return function

    @property
    def options(self) -> dict[str, inspect.Parameter]:
        """Parameters of ``run`` after the first, which is the assembled program."""
        return dict(list(inspect.signature(self.run).parameters.items())[1:])


COMMANDS = {
    name: Command(name, module)
    for name, module in [
        ("fit", "fit"),
        ("test", "evaluate"),
        ("predict", "predict"),
        ("evaluate", "evaluate"),
        ("discover", "discover"),
        ("calibrate", "calibrate"),
        ("export", "export"),
        ("demo", "demo"),
        ("data", "data"),
        ("benchmark", "benchmark"),
        ("generations", "generations"),
        ("video", "video"),
        ("tune", "tune"),
        ("recipe", "recipe"),
        ("runs", "runs"),
        ("configs", "configs"),
        ("doctor", "doctor"),
        ("new", "new"),
    ]
}
