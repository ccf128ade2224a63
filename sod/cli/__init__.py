"""Command line: the `sod` program and its commands."""

from sod.cli.entry import main

__all__ = ["main"]
