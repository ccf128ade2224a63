"""Interface between the assembled program and its commands."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import pytorch_lightning as pl
from rich.console import Console
from rich.text import Text

from sod.core.names import one_line
from sod.data.datamodule import SaliencyData
from sod.engine.method import Method

console = Console()
"""Standard output, for tables and paths."""


def say(text: str, style: str = "") -> None:
    """Print text as it is: names of files are no markup, and each stays on its line.

    Args:
        text: One line or several.
        style: A colour of rich.
    """
    for line in text.split("\n"):
        console.print(Text(one_line(line), style), soft_wrap=True, highlight=False)


def say_failed(failures: Sequence[str]) -> None:
    """Print one line for each file that gave no result; a name may hold line breaks."""
    for failure in failures:
        line = Text.assemble(("failed", "red"), f" {one_line(failure)}")
        console.print(line, soft_wrap=True, highlight=False)


class Program(Protocol):
    """Assembled program: what a command gets as its first argument.

    Method, data and trainer, built from the configuration.
    """

    @property
    def datamodule(self) -> SaliencyData:
        """The configured data."""

    @property
    def method(self) -> Method:
        """The configured method."""

    def build_trainer(
        self,
        callbacks: Sequence[pl.Callback],
        **kwargs: Any,  # noqa: ANN401 - Trainer's own arguments
    ) -> pl.Trainer:
        """Build the configured trainer with further callbacks, and arguments that override."""

    def save_config(self, path: Path, of: Path | None = None) -> None:
        """Write the whole configuration as YAML, which reproduces the run.

        Args:
            path: The file.
            of: The configuration of an earlier run to write instead of the present one; options
                that came later get their defaults.

        Raises:
            SodError: The earlier one cannot be read, or has options that there are no more.
        """
