"""`sod generations`: metrics of every generation of a training run."""

from collections.abc import Sequence

from sod.cli.commands.benchmark import FLAGS, add_comparison, compare
from sod.cli.parser import SodParser, read_options
from sod.cli.program import say
from sod.core.errors import SodError
from sod.methods.generations.progress import entries_of_run, plot_progress


def generations(arguments: Sequence[str]) -> int:
    """Evaluate the teachers, the students and the ensembles of a run of Generations.

    Args:
        arguments: Command line after ``generations``.

    Raises:
        SodError: The command line is invalid, or an evaluation failed; finished ones are kept.
    """
    options = read_options(generations, _add_options, arguments, FLAGS)
    entries = entries_of_run(options["run"])
    if not entries:
        raise SodError(f"--run {options['run']}: holds no finished generation of `sod fit`.")
    rows = compare(entries, options)
    path = plot_progress(rows, options["out"])
    say(f"IoU over the generations: {path}")
    return 0


def _add_options(parser: SodParser) -> None:
    parser.add_argument("--run", type=str, required=True, help="folder of the run")
    add_comparison(parser, "generations")
