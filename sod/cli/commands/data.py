"""`sod data check`: files and defects of datasets."""

from collections.abc import Sequence
from pathlib import Path

from sod.cli.parser import SodParser, read_options
from sod.cli.program import console
from sod.core.errors import SodError
from sod.data.benchmarks import available
from sod.data.check import check_dataset, render_table


def data(arguments: Sequence[str]) -> int:
    """Check datasets: `sod data check --data.root DIR [--data.name NAME]`.

    Args:
        arguments: Command line after ``data``.

    Returns:
        0, or 1 if a dataset has defects.

    Raises:
        SodError: The command line is wrong, or a dataset is absent.
    """
    options = read_options(data, _add_options, arguments)
    root, name = options["data.root"], options["data.name"]
    names = name.split(",") if name else available(Path(root))
    if not names:
        raise SodError(f"--data.root {root}: holds none of the known benchmarks.")
    reports = [check_dataset(root, dataset.strip()) for dataset in names]
    console.print(render_table(*reports))
    return 1 if any(report.defects for report in reports) else 0


def _add_options(parser: SodParser) -> None:
    parser.add_argument("action", choices=["check"], help="what to do: check")
    parser.add_argument("--data.root", type=str, default="datasets", help="the data root")
    parser.add_argument(
        "--data.name",
        type=str | None,
        default=None,
        help="benchmarks or folders, comma-separated; by default all in the root",
    )
