"""Parser of the commands that need neither a configuration nor PyTorch."""

import argparse
import inspect
from collections.abc import Callable
from typing import NoReturn

from sod.core.errors import SodError


class SimpleParser(argparse.ArgumentParser):
    """Parser that raises :class:`SodError` where argparse prints its usage and exits.

    Args:
        run: Function of the command: its name, and the first line of its docstring for the help.
    """

    def __init__(self, run: Callable[..., int]) -> None:
        summary = (inspect.getdoc(run) or "").partition("\n")[0]
        super().__init__(prog=f"sod {run.__name__}", description=summary, allow_abbrev=False)

    def error(self, message: str) -> NoReturn:
        """Raise an error with the message and where to find the options.

        Raises:
            SodError: Always.
        """
        raise SodError(f"{self.prog}: {message}; `{self.prog} --help` lists the options.")
