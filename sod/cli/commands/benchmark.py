"""`sod benchmark`: many methods on many datasets, one table."""

from collections.abc import Sequence
from typing import Any

from sod.cli.parser import SodParser, normalise
from sod.cli.program import console, make_folder
from sod.data.benchmarks import find_dataset
from sod.data.samples import Sample
from sod.evaluation.benchmark import Contender, Row, parse_contenders, run_cell, summarise
from sod.evaluation.evaluator import parse_refinements
from sod.evaluation.reports import rich_table
from sod.metrics.protocols import get_protocol


def benchmark(arguments: Sequence[str]) -> int:
    """Compare many methods on many datasets in one resumable command; one table, one figure.

    Args:
        arguments: The command line behind ``benchmark``.

    Raises:
        SodError: The command line is wrong, or an evaluation failed; what is done stays done.
    """
    options = _parser().parse_args(normalise(list(arguments), {"published"}))
    compare(parse_contenders(options["methods"]), options)
    return 0


def compare(contenders: Sequence[Contender], options: Any) -> list[Row]:  # noqa: ANN401 - a Namespace
    """Evaluate contenders on datasets, show and write what came of it.

    Args:
        contenders: The methods.
        options: ``data.root``, ``data.test``, ``out``, ``protocol``, ``refine`` and ``published``.

    Returns:
        All rows.

    Raises:
        SodError: An option is wrong, or an evaluation failed; what is done stays done.
    """
    root, protocol, refine = options["data.root"], options["protocol"], options["refine"]
    get_protocol(protocol)
    parse_refinements(refine)
    sources = [name.strip() for name in options["data.test"].split(",")]
    found = {find_dataset(root, source).name: source for source in sources}
    out = make_folder(options["out"])
    shared = ["--data.root", root, "--protocol", protocol, "--refine", refine]
    cells = [(contender, dataset) for contender in contenders for dataset in found]
    for number, (contender, dataset) in enumerate(cells, 1):
        console.print(f"[{number}/{len(cells)}] {contender.label} on {dataset}", highlight=False)
        run_cell(contender, dataset, found[dataset], out, shared)

    def samples(name: str) -> Sequence[Sample]:
        return find_dataset(root, found[name]).samples

    rows = summarise(cells, samples, out, options["published"])
    console.print(rich_table(rows))
    console.print(f"Tables, curves and pictures in {out}", highlight=False, soft_wrap=True)
    return rows


def add_comparison(parser: SodParser, out: str) -> None:
    """Add the options that :func:`compare` reads.

    Args:
        parser: Gets them.
        out: Default folder for the results.
    """
    parser.add_argument("--data.root", type=str, default="datasets", help="the data root")
    parser.add_argument("--data.test", type=str, required=True, help="datasets, comma-separated")
    parser.add_argument("--out", type=str, default=out, help="folder for the results")
    parser.add_argument("--protocol", type=str, default="mean-max", help="metric protocol")
    parser.add_argument("--refine", type=str, default="none", help="refinements, a row each")
    parser.add_argument(
        "--published", type=bool, default=False, help="show published rows of the same protocol"
    )


def _parser() -> SodParser:
    parser = SodParser(prog="sod benchmark", description="Many methods on many datasets.")
    parser.add_argument(
        "--methods",
        type=str,
        required=True,
        help="configs (CONFIG, or CONFIG+CONFIG where the later override), checkpoints or folders "
        "of maps, comma-separated; each may be labelled as NAME=...",
    )
    add_comparison(parser, "benchmark")
    return parser
