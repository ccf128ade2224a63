"""Command line: the `sod` program and its commands."""

from sod.cli.app import main

__all__ = ["main"]
