"""`sod generations`: how good each generation of a run is, measured with masks."""

from collections.abc import Sequence

from sod.cli.commands.benchmark import add_comparison, compare
from sod.cli.parser import SodParser, normalise
from sod.cli.program import console
from sod.core.errors import SodError
from sod.methods.generations.progress import contenders_of, plot_progress


def generations(arguments: Sequence[str]) -> int:
    """Measure the teachers, the students and the ensembles of a run of Generations.

    Args:
        arguments: The command line behind ``generations``.

    Raises:
        SodError: The command line is wrong, or an evaluation failed; what is done stays done.
    """
    parser = SodParser(prog="sod generations", description="The generations of a run, measured.")
    parser.add_argument("--run", type=str, required=True, help="folder of the run")
    add_comparison(parser, "generations")
    options = parser.parse_args(normalise(list(arguments), {"published"}))
    found = contenders_of(options["run"])
    if not found:
        raise SodError(f"--run {options['run']}: holds no finished generation of `sod fit`.")
    rows = compare(found, options)
    path = plot_progress(rows, options["out"])
    console.print(f"IoU over the generations: {path}", highlight=False, soft_wrap=True)
    return 0
