"""`sod runs`: the runs in a folder."""

from collections.abc import Sequence
from pathlib import Path

from rich.table import Table
from rich.text import Text

from sod.cli.program import console, say
from sod.cli.simple import SimpleParser
from sod.core.errors import SodError
from sod.core.names import one_line
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
    if found:
        console.print(table)
    else:
        say(f"There is no run in {folder}.")
    for run in found:
        say(run.how_to_go_on)
    return 0


def _cells(run: Run) -> list[Text]:
    steps = "" if run.steps is None else str(run.steps)
    total = "" if run.total is None else f" of {run.total}"
    score = "" if run.score is None else f"{run.score[0]} {run.score[1]:.4f}"
    date = run.changed.strftime("%Y-%m-%d %H:%M")
    texts = [str(run.folder), run.method, run.train, steps + total, score, date, run.state]
    return [Text(one_line(text)) for text in texts]
