"""Commands of the program, one module each; a function's parameters are the options."""

from sod.cli.commands.benchmark import benchmark
from sod.cli.commands.data import data
from sod.cli.commands.discover import discover
from sod.cli.commands.evaluate import evaluate, test
from sod.cli.commands.export import export
from sod.cli.commands.fit import fit
from sod.cli.commands.generations import generations
from sod.cli.commands.predict import predict
from sod.cli.commands.video import video

__all__ = [
    "benchmark",
    "data",
    "discover",
    "evaluate",
    "export",
    "fit",
    "generations",
    "predict",
    "test",
    "video",
]
