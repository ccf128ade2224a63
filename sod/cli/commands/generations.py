"""`sod generations`: metrics of every generation of a training run."""

from collections.abc import Sequence

from sod.cli.commands.benchmark import add_comparison, compare
from sod.cli.parser import SodParser, normalise
from sod.cli.program import console
from sod.core.errors import SodError
from sod.methods.generations.progress import entries_of_run, plot_progress


def generations(arguments: Sequence[str]) -> int:
    """Evaluate the teachers, the students and the ensembles of a run of Generations.

    Args:
        arguments: Command line after ``generations``.

    Raises:
        SodError: The command line is invalid, or an evaluation failed; finished ones are kept.
    """
    parser = SodParser(prog="sod generations", description="Metrics of the generations of a run.")
    parser.add_argument("--run", type=str, required=True, help="folder of the run")
    add_comparison(parser, "generations")
    options = parser.parse_args(normalise(list(arguments), {"published"}))
    entries = entries_of_run(options["run"])
    if not entries:
        raise SodError(f"--run {options['run']}: holds no finished generation of `sod fit`.")
    rows = compare(entries, options)
    path = plot_progress(rows, options["out"])
    console.print(f"IoU over the generations: {path}", highlight=False, soft_wrap=True)
    return 0
