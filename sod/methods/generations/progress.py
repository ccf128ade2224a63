"""Measured quality of the generations, on a set with masks."""

import json
from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure

from sod.core.errors import SodError
from sod.core.files import atomic_file
from sod.evaluation.benchmark import Row
from sod.evaluation.lists import BenchmarkEntry
from sod.methods.generations.records import RECORD, read_record

ENSEMBLE, DISTILLED = "ensemble", "distilled"


def entries_of_run(run: str) -> list[BenchmarkEntry]:
    """Return the entries of a run for a benchmark: ``genN-NAME`` and ``genN-ensemble``.

    The distilled network, if there is one, is ``genN-distilled`` of the last generation.

    Args:
        run: The folder of the run.

    Raises:
        SodError: The folder is not a run of Generations, or one of a later format.
    """
    folder = Path(run)
    if (folder / RECORD).is_file():
        read_record(folder, "give another --run")
    try:
        teachers = json.loads((folder / "gen0" / "teachers.json").read_text(encoding="utf-8"))
        entries = [BenchmarkEntry(f"gen0-{name}", tuple(words)) for name, words in teachers.items()]
    except (OSError, ValueError, AttributeError, TypeError, RecursionError) as error:
        raise SodError(f"--run {run}: is no run of Generations (gen0/teachers.json).") from error
    number = 1
    while (place := folder / f"gen{number}").joinpath("ensemble.ckpt").is_file():
        students = sorted(place.glob("students/*/student.ckpt"))
        entries += [
            BenchmarkEntry(f"gen{number}-{file.parent.name}", ("--ckpt", str(file)))
            for file in students
        ]
        ensemble = ("--ckpt", str(place / "ensemble.ckpt"))
        entries.append(BenchmarkEntry(f"gen{number}-{ENSEMBLE}", ensemble))
        number += 1
    if number > 1 and (student := folder / "student.ckpt").is_file():
        entries.append(BenchmarkEntry(f"gen{number - 1}-{DISTILLED}", ("--ckpt", str(student))))
    return entries


def plot_progress(rows: Sequence[Row], out: str) -> Path:
    """Draw IoU and max-F over the generations: a panel for each dataset and measure.

    Args:
        rows: Results of all entries.
        out: Folder for ``generations.png``.

    Returns:
        The picture's path.
    """
    datasets = list(dict.fromkeys(row["dataset"] for row in rows))
    measures = {"iou": "IoU", "max_f": "max F"}
    figure = Figure(figsize=(5 * len(measures), 4 * len(datasets)), layout="constrained")
    panels = figure.subplots(len(datasets), len(measures), squeeze=False)
    for line, dataset in zip(panels, datasets, strict=True):
        for panel, (key, title) in zip(line, measures.items(), strict=True):
            for (name, kind), points in _lines(rows, dataset, key).items():
                style = {"linestyle": "-" if kind == "none" else "--", "marker": "o"}
                width = 2.5 if name == ENSEMBLE else 1.0
                label = name if kind == "none" else f"{name} + {kind}"
                panel.plot(*zip(*points, strict=True), label=label, linewidth=width, **style)
            panel.set(title=f"{dataset}: {title}", xlabel="generation")
            panel.xaxis.get_major_locator().set_params(integer=True)
            panel.legend(fontsize="x-small")
    path = Path(out) / "generations.png"
    with atomic_file(path) as temporary:
        figure.savefig(temporary, dpi=120, format="png")
    return path


def _lines(
    rows: Sequence[Row], dataset: str, key: str
) -> dict[tuple[str, str], list[tuple[int, float]]]:
    """Return the points (generation, value) of each member and refinement."""
    lines: dict[tuple[str, str], list[tuple[int, float]]] = {}
    for row in rows:
        if row["dataset"] == dataset:
            generation, _, name = str(row["method"]).partition("-")
            point = (int(generation.removeprefix("gen")), float(row[key]))
            lines.setdefault((name, str(row["refine"])), []).append(point)
    return lines
