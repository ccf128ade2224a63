"""Interface between the assembled program and its commands."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import pytorch_lightning as pl
from rich.console import Console

from sod.data.datamodule import SaliencyData
from sod.engine.method import Method

console = Console()
"""Standard output, for tables and paths."""


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

    def save_config(self, path: Path) -> None:
        """Write the whole configuration as YAML, which reproduces the run."""
