"""`sod benchmark`: many methods on many datasets, in one table."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from sod.cli.parser import SodParser, read_options
from sod.cli.program import console, say
from sod.core.errors import SodError
from sod.core.locks import output_folder
from sod.data.benchmarks import Dataset, find_dataset
from sod.evaluation.benchmark import Row, evaluate_entry, read_results
from sod.evaluation.lists import BenchmarkEntry, parse_methods
from sod.evaluation.plan import Report, make_plan
from sod.evaluation.reports import rich_table
from sod.evaluation.writing import write_results

FLAGS = ("published", "strict", "pictures")
"""Boolean options of :func:`add_comparison`."""


def benchmark(arguments: Sequence[str]) -> int:
    """Compare many methods on many datasets, in one table and one HTML report; can be resumed.

    Args:
        arguments: Command line after ``benchmark``.

    Raises:
        SodError: The command line is invalid, or an evaluation failed; finished ones are kept.
    """
    options = read_options(benchmark, _add_options, arguments, FLAGS)
    methods = parse_methods(options["methods"])
    options["data.test"] = options["data.test"] or methods.sets
    rows = compare(methods.entries, options, Report(styles=methods.styles))
    return 1 if any(row.get("missing") for row in rows) else 0


def compare(
    entries: Sequence[BenchmarkEntry],
    options: Any,  # noqa: ANN401 - a Namespace
    report: Report | None = None,
) -> list[Row]:
    """Evaluate all entries on all datasets, print the table and write the results.

    Args:
        entries: The methods.
        options: The options of :func:`add_comparison`.
        report: Styles of the curves; the options give the rest.

    Returns:
        One row per method, dataset and refinement.

    Raises:
        SodError: An option is invalid, or an evaluation failed; finished ones are kept.
    """
    root, sources = options["data.root"], options["data.test"]
    if not sources:
        raise SodError("--data.test: names no dataset, and the list of methods has no 'sets'.")
    plan = make_plan(
        *(options[key] for key in ("protocol", "refine", "measures", "missing", "strict"))
    )
    report = replace(
        report or Report(),
        published=plan.protocol if options["published"] else None,
        **report_options(options),
    )
    datasets = _find_datasets(root, sources)
    out = output_folder(options["out"])
    pairs = [(entry, dataset) for entry in entries for dataset in datasets]
    for number, (entry, name) in enumerate(pairs, 1):
        say(f"[{number}/{len(pairs)}] {entry.label} on {name}")
        source, dataset = datasets[name]
        place = ["--data.test", source, "--data.root", root]
        evaluate_entry(entry, dataset, place, out, plan)
    results, pictures = read_results(entries, [dataset for _, dataset in datasets.values()], out)
    rows = [row for result in results for row in result.rows]
    paths, statistics = write_results(results, out, report, pictures)
    console.print(rich_table(rows, (), statistics, report.against))
    names = ", ".join(path.name for path in paths)
    say(f"Written to {out}: {names}")
    return rows


def report_options(options: Any) -> dict[str, Any]:  # noqa: ANN401 - a Namespace
    """Return the fields of :class:`Report` that options of the same names give.

    Raises:
        SodError: A value is invalid.
    """
    if options["resamples"] < 0:
        raise SodError("--resamples: must be 0 (none) or more.")
    attributes = options["attributes"]
    return {
        "resamples": options["resamples"],
        "against": options["against"],
        "attributes": Path(attributes) if attributes else None,
        "measure": options["by"],
        "pictures": options["pictures"],
    }


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
    parser.add_argument("--data.test", type=str, default=None, help="datasets, comma-separated")
    parser.add_argument("--out", type=str, default=out, help="folder for the results")
    parser.add_argument("--protocol", type=str, default="mean-max", help="metric protocol")
    parser.add_argument("--refine", type=str, default="none", help="refinements, one row each")
    for key, kind, default, text in _REPORTING:
        parser.add_argument(f"--{key}", type=kind, default=default, help=text)


_REPORTING: tuple[tuple[str, Any, Any, str], ...] = (
    ("measures", str, "default", "default, boundary, size, context, all, or names of measures"),
    ("published", bool, False, "show published rows of the same protocol"),
    ("resamples", int, 10000, "resamples of bootstrap and sign-flip test; 0 for none"),
    ("against", str | None, None, "method that all others are compared with; default: all pairs"),
    ("missing", str, "mark", "images without a map: mark the set, refuse, or score it as empty"),
    ("strict", bool, False, "refuse sets that lack maps"),
    ("attributes", str | None, None, "CSV file with attributes of the images (column: name)"),
    ("by", str, "iou", "measure of attributes and galleries"),
    ("pictures", bool, True, "write attributes, galleries and report.html"),
)


def _add_options(parser: SodParser) -> None:
    parser.add_argument(
        "--methods",
        type=str,
        required=True,
        help="configs (CONFIG, or CONFIG+CONFIG where the later overrides), checkpoints, folders "
        "or patterns of maps, comma-separated; each may have a label: NAME=...; or a list in YAML",
    )
    add_comparison(parser, "benchmark")
