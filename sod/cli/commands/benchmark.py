"""`sod benchmark`: many methods on many datasets, in one table."""

from collections.abc import Sequence
from typing import Any

from sod.cli.parser import SodParser, read_options
from sod.cli.program import console
from sod.core.errors import SodError
from sod.core.files import make_folder
from sod.data.benchmarks import Dataset, find_dataset
from sod.evaluation.benchmark import BenchmarkEntry, Row, evaluate_entry, parse_entries, summarise
from sod.evaluation.reports import rich_table
from sod.metrics.protocols import get_protocol
from sod.refinement.kinds import parse_refinements

FLAGS = ("published",)
"""Boolean options of :func:`add_comparison`."""


def benchmark(arguments: Sequence[str]) -> int:
    """Compare many methods on many datasets, in one table; can be resumed.

    Args:
        arguments: Command line after ``benchmark``.

    Raises:
        SodError: The command line is invalid, or an evaluation failed; finished ones are kept.
    """
    options = read_options(benchmark, _add_options, arguments, FLAGS)
    compare(parse_entries(options["methods"]), options)
    return 0


def compare(entries: Sequence[BenchmarkEntry], options: Any) -> list[Row]:  # noqa: ANN401 - a Namespace
    """Evaluate all entries on all datasets, print the table and write the results.

    Args:
        entries: The methods.
        options: ``data.root``, ``data.test``, ``out``, ``protocol``, ``refine`` and ``published``.

    Returns:
        One row per method, dataset and refinement.

    Raises:
        SodError: An option is invalid, or an evaluation failed; finished ones are kept.
    """
    root, protocol, refine = options["data.root"], options["protocol"], options["refine"]
    get_protocol(protocol)
    parse_refinements(refine)
    datasets = _find_datasets(root, options["data.test"])
    out = make_folder(options["out"])
    shared = ["--protocol", protocol, "--refine", refine]
    pairs = [(entry, dataset) for entry in entries for dataset in datasets]
    for number, (entry, name) in enumerate(pairs, 1):
        console.print(f"[{number}/{len(pairs)}] {entry.label} on {name}", highlight=False)
        source, dataset = datasets[name]
        place = ["--data.test", source, "--data.root", root]
        evaluate_entry(entry, dataset, place, out, shared)
    rows = summarise(pairs, lambda name: datasets[name][1].samples, out, options["published"])
    console.print(rich_table(rows))
    console.print(f"Tables, curves and pictures in {out}", highlight=False, soft_wrap=True)
    return rows


def _find_datasets(root: str, sources: str) -> dict[str, tuple[str, Dataset]]:
    """Return the value of ``--data.test`` and the dataset, by the dataset's name."""
    datasets: dict[str, tuple[str, Dataset]] = {}
    for source in sources.split(","):
        dataset = find_dataset(root, source.strip())
        if dataset.name in datasets:
            raise SodError(f"--data.test {sources}: two datasets are called '{dataset.name}'.")
        datasets[dataset.name] = (source.strip(), dataset)
    return datasets


def add_comparison(parser: SodParser, out: str) -> None:
    """Add the options that :func:`compare` reads.

    Args:
        parser: Parser to add them to.
        out: Default output folder.
    """
    parser.add_argument("--data.root", type=str, default="datasets", help="the data root")
    parser.add_argument("--data.test", type=str, required=True, help="datasets, comma-separated")
    parser.add_argument("--out", type=str, default=out, help="folder for the results")
    parser.add_argument("--protocol", type=str, default="mean-max", help="metric protocol")
    parser.add_argument("--refine", type=str, default="none", help="refinements, one row each")
    parser.add_argument(
        "--published", type=bool, default=False, help="show published rows of the same protocol"
    )


def _add_options(parser: SodParser) -> None:
    parser.add_argument(
        "--methods",
        type=str,
        required=True,
        help="configs (CONFIG, or CONFIG+CONFIG where the later overrides), checkpoints or folders "
        "of maps, comma-separated; each may have a label: NAME=...",
    )
    add_comparison(parser, "benchmark")
