"""What a command may ask of the assembled program."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import pytorch_lightning as pl
from rich.console import Console

from sod.core.errors import SodError
from sod.data.datamodule import SaliencyData
from sod.engine.method import Method

console = Console()
"""Standard output: tables and paths."""


class Program(Protocol):
    """Model, data and trainer of one command, built from its configuration."""

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
        """Build the trainer with the command's callbacks and arguments."""

    def save_config(self, path: Path) -> None:
        """Write the whole configuration as YAML."""


def make_folder(out: str) -> Path:
    """Create the output folder.

    Raises:
        SodError: It cannot be created.
    """
    path = Path(out)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SodError(f"--out {out}: cannot be created: {error.strerror}.") from error
    return path
