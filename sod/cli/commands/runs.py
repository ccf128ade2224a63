"""`sod runs`: the runs in a folder."""

from collections.abc import Sequence
from pathlib import Path

from rich.table import Table

from sod.cli.program import console
from sod.cli.simple import SimpleParser
from sod.core.errors import SodError
from sod.engine.runs import Run, find_runs


def runs(arguments: Sequence[str]) -> int:
    """List runs with their score, method and date, and how to go on with each.

    Args:
        arguments: Command line after ``runs``.

    Raises:
        SodError: The command line is invalid, or there is no such folder.
    """
    parser = SimpleParser(runs)
    parser.add_argument(
        "folder", nargs="?", default="runs", help="a folder of runs (default: runs)"
    )
    folder = Path(parser.parse_args(arguments).folder)
    if not folder.is_dir():
        raise SodError(f"sod runs {folder}: there is no such folder.")
    found = list(find_runs(folder))
    table = Table("run", "method", "trained on", "steps", "score", "last written", "state")
    for run in found:
        table.add_row(*_cells(run))
    console.print(table if found else f"There is no run in {folder}.", markup=False)
    for run in found:
        console.print(run.how_to_go_on, soft_wrap=True, markup=False, highlight=False)
    return 0


def _cells(run: Run) -> list[str]:
    steps = "" if run.steps is None else str(run.steps)
    total = "" if run.total is None else f" of {run.total}"
    score = "" if run.score is None else f"{run.score[0]} {run.score[1]:.4f}"
    date = run.changed.strftime("%Y-%m-%d %H:%M")
    return [str(run.folder), run.method, run.train, steps + total, score, date, run.state]
