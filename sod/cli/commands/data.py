"""`sod data`: check the files of datasets, or compose groups with distractors."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sod.cli.parser import SodParser, read_options
from sod.cli.program import console, say
from sod.core.errors import SodError
from sod.core.locks import output_folder
from sod.data.benchmarks import available, find_dataset
from sod.data.check import check_dataset, finding_lines, render_table
from sod.data.compose import compose_set


def data(arguments: Sequence[str]) -> int:
    """Check datasets (`data check`), or compose groups with distractors (`data compose`).

    Args:
        arguments: Command line after ``data``.

    Returns:
        0, or 1 if a checked dataset has defects.

    Raises:
        SodError: The command line is wrong, or a dataset is absent.
    """
    options = read_options(data, _add_options, arguments)
    return _compose(options) if options["action"] == "compose" else _check(options)


def _check(options: Any) -> int:  # noqa: ANN401 - a Namespace
    if options["out"] is not None:
        raise SodError("--out: `data check` writes nothing; `data compose` does.")
    root, name = options["data.root"], options["data.name"]
    names = [*options["names"], *(name.split(",") if name else [])] or available(Path(root))
    if not names:
        raise SodError(
            f"--data.root {root}: holds none of the known benchmarks; to check a folder of your "
            "own, name it: `sod data check FOLDER`."
        )
    reports = [check_dataset(root, dataset.strip()) for dataset in names]
    console.print(render_table(*reports))
    for line in finding_lines(*reports):
        console.print(line, soft_wrap=True, highlight=False)
    return 1 if any(report.defects for report in reports) else 0


def _compose(options: Any) -> int:  # noqa: ANN401 - a Namespace
    if options["names"] or options["data.name"] is None or options["out"] is None:
        raise SodError("data compose: give --data.name SET (groups with masks) and --out DIR.")
    samples = find_dataset(options["data.root"], options["data.name"]).samples
    folder = output_folder(options["out"])
    count = compose_set(samples, folder, options["rule"], options["seed"])
    say(f"{count} images with a distractor each in {folder}")
    return 0


def _add_options(parser: SodParser) -> None:
    parser.add_argument("action", choices=["check", "compose"], help="what to do")
    parser.add_argument("names", type=str, nargs="*", default=[], help="check: as --data.name")
    parser.add_argument("--data.root", type=str, default="datasets", help="the data root")
    parser.add_argument(
        "--data.name",
        type=str | None,
        default=None,
        help="benchmarks or folders, comma-separated; by default all in the root; compose: one",
    )
    parser.add_argument("--out", type=str | None, default=None, help="compose: folder to write")
    parser.add_argument(
        "--rule",
        type=str,
        default="mixed",
        help="compose: tile another photo beside each, paste its object, or mixed",
    )
    parser.add_argument("--seed", type=int, default=0, help="compose: seed of all choices")
