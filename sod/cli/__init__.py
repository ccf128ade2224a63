"""The command line: `sod fit`, `test`, `predict`, `evaluate`, `data`."""

from sod.cli.app import main

__all__ = ["main"]
