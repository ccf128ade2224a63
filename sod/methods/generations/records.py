"""Records of a run: teachers, selections, and label-free reports of each generation."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
import yaml
from PIL import Image
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter

from sod.core.distributed import is_rank_zero
from sod.core.errors import SodError
from sod.core.files import atomic_file, write_text
from sod.core.formats import check_format, stamp
from sod.core.reading import read_json
from sod.data.levels import to_levels
from sod.data.maps import read_map
from sod.data.reading import read_image_tensor
from sod.data.samples import Sample
from sod.engine.method import Method
from sod.engine.visuals import image_grid
from sod.labels.selection import Candidate, Verdict
from sod.labels.store import LabelStore
from sod.methods.generations.labelling import Labelled

RECORD = "pipeline.json"
FORMAT = 1
"""Number of the layout of a run of generations, with all of its files."""
SIDE = 160
"""Side in pixels of a picture in the grid of all generations."""
ROWS = 8
"""Images in that grid, at most."""


def check_record(folder: Path, configuration: Mapping[str, Any]) -> None:
    """Write down the configuration of a run, or compare it with the one that is there.

    Args:
        folder: Of the run.
        configuration: Values of JSON.

    Raises:
        SodError: The folder holds the run of another configuration, or of a later format.
    """
    path = folder / RECORD
    if path.is_file():
        content = read_record(folder, "give another --out")
        if content != json.loads(json.dumps(configuration)):
            raise SodError(
                f"--out {folder}: holds the generations of another configuration ({RECORD}): give "
                "another folder, or the same configuration to continue."
            )
    if is_rank_zero():
        write_text(path, json.dumps(stamp(FORMAT) | dict(configuration), indent=2))


def read_record(folder: Path, remedy: str) -> Any:  # noqa: ANN401 - what the JSON file holds
    """Return the configuration of a run as it was written down, without the format number.

    The number stands for all files of the run, teachers and selections among them.

    Args:
        folder: Of the run.
        remedy: What the user can do if it is damaged.

    Raises:
        SodError: The record is damaged, or of a later format.
    """
    path = folder / RECORD
    content = read_json(path, remedy)
    if not isinstance(content, dict):
        return content
    check_format(content, FORMAT, f"{path}")
    return {key: value for key, value in content.items() if key not in stamp(FORMAT)}


def write_teachers(place: Path, teachers: Mapping[str, Method], paths: Sequence[str]) -> None:
    """Write for each first teacher the command-line arguments that evaluate it.

    Args:
        place: Folder of generation 0; gets a config for a teacher that is not in a file.
        teachers: By name, ``teacherN``; stores, which cannot be evaluated, are not among them.
        paths: The files they came from, the N-th for ``teacherN``; none for the default teacher.
    """
    arguments = {}
    for name, teacher in teachers.items():
        number = int(name.removeprefix("teacher"))
        if not paths:
            model = {"class_path": type(teacher).__name__, "init_args": teacher.arguments()}
            write_text(place / f"{name}.yaml", yaml.safe_dump({"model": model}))
            arguments[name] = ["--config", str(place / f"{name}.yaml")]
        elif paths[number].endswith((".yaml", ".yml")):
            parts = paths[number].split("+")
            arguments[name] = [word for part in parts for word in ("--config", part)]
        else:
            arguments[name] = ["--ckpt", paths[number]]
    write_text(place / "teachers.json", json.dumps(arguments, indent=2) + "\n")


def write_selection(path: Path, verdicts: Sequence[Verdict]) -> None:
    """Write a line for each pseudo-mask: its figures, whether it was selected, and why not."""
    rows = [
        {
            **{k: _rounded(v) for k, v in verdict.candidate._asdict().items() if v is not None},
            "score": _rounded(verdict.score),
            "selected": verdict.reason is None,
            "reason": verdict.reason,
        }
        for verdict in verdicts
    ]
    write_text(path, "".join(f"{json.dumps(row)}\n" for row in rows))


def read_selection(path: Path) -> dict[str, float]:
    """Return name and score of each selected pseudo-mask.

    Raises:
        SodError: The file is damaged.
    """
    try:
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        return {row["name"]: float(row["score"]) for row in rows if row["selected"]}
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise SodError(f"{path}: cannot be read: delete it to select again.") from error


def write_report(
    folder: Path,
    number: int,
    trained_on: int | None,
    labelled: Labelled,
    samples: Sequence[Sample],
    labels: Mapping[str, LabelStore],
) -> None:
    """Write the label-free figures of a generation as JSON, to TensorBoard, and as a picture.

    Args:
        folder: Of the run.
        number: The generation.
        trained_on: Number of labels that it was trained on; None for the first teachers.
        labelled: What it labelled.
        samples: Images of the picture; evenly spaced ones are shown.
        labels: The labels of all generations so far, by name.
    """
    report: dict[str, Any] = {
        "generation": number,
        "images": len(labelled.samples),
        "trained_on": trained_on,
        "labels": _means(labelled.candidates),
        "agreement": {name: round(value, 4) for name, value in labelled.agreements.items()},
    }
    write_text(folder / f"gen{number}" / "report.json", json.dumps(report, indent=2) + "\n")
    grid = draw_generations(folder / "generations.png", samples, labels)
    with SummaryWriter(folder / "tensorboard") as writer:
        for name, value in {**report["labels"], **report["agreement"]}.items():
            writer.add_scalar(f"generations/{name}", value, number)
        writer.add_image("generations", grid, number)


def draw_generations(
    path: Path, samples: Sequence[Sample], stores: Mapping[str, LabelStore]
) -> Tensor:
    """Draw the same images through the generations: a row per image, a column per store.

    Args:
        path: The PNG to write.
        samples: Evenly spaced ones are shown.
        stores: The maps by column.

    Returns:
        The picture, ``[3, H, W]`` in [0, 1].
    """
    rows = min(ROWS, len(samples))
    shown = [samples[i * len(samples) // rows] for i in range(rows)]
    columns = {"image": torch.cat([_square(read_image_tensor(s.image)[None]) for s in shown])}
    for name, store in stores.items():
        maps = [read_map(store.path(sample.name))[None, None] for sample in shown]
        columns[name] = torch.cat([_square(each) for each in maps])
    grid = image_grid(columns, rows)
    pixels = to_levels(grid).permute(1, 2, 0).numpy()
    with atomic_file(path) as temporary:
        Image.fromarray(pixels).save(temporary, "png")
    return grid


def _means(candidates: Sequence[Candidate]) -> dict[str, Any]:
    """Return the means of what is known of the labels without ground truth."""
    rows = [candidate._asdict() for candidate in candidates]
    keys = ("contrast", "area", "border", "agreement", "quality")
    return {key: _rounded(sum(row[key] for row in rows) / max(len(rows), 1)) for key in keys}


def _square(maps: Tensor) -> Tensor:
    return F.interpolate(maps, (SIDE, SIDE), mode="bilinear", antialias=True)


def _rounded(value: Any) -> Any:  # noqa: ANN401 - a figure, or a name as it is
    return round(value, 4) if isinstance(value, float) else value
