"""The records of a course: which labels were chosen and why, and what is seen without a mask."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
import yaml
from PIL import Image
from torch import Tensor

from sod.core.errors import SodError
from sod.core.files import draft_of
from sod.data.reading import read_image
from sod.data.samples import Sample
from sod.engine.method import Method
from sod.engine.training import tile
from sod.evaluation.saved_maps import read_map
from sod.labels.selection import Candidate, Verdict
from sod.labels.store import LabelStore

SIDE = 160
"""Side in pixels of a picture in the grid of all generations."""


def write_text(path: Path, text: str) -> None:
    """Write a file whole or not at all.

    Raises:
        SodError: It cannot be written.
    """
    with draft_of(path) as draft:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft.write_text(text, encoding="utf-8")


def write_teachers(place: Path, teachers: Mapping[str, Method], paths: Sequence[str]) -> None:
    """Write how each first teacher is evaluated: the words of a command line.

    Args:
        place: Folder of generation 0; gets a config for each teacher that is not named by a file.
        teachers: By name, ``teacherN``; stores, which cannot be evaluated, are not among them.
        paths: The files they came from, the N-th for ``teacherN``; none for the default teacher.
    """
    words = {}
    for name, teacher in teachers.items():
        number = int(name.removeprefix("teacher"))
        if not paths:
            model = {"class_path": type(teacher).__name__, "init_args": teacher.arguments()}
            write_text(place / f"{name}.yaml", yaml.safe_dump({"model": model}))
            words[name] = ["--config", str(place / f"{name}.yaml")]
        elif paths[number].endswith((".yaml", ".yml")):
            words[name] = [word for part in paths[number].split("+") for word in ("--config", part)]
        else:
            words[name] = ["--ckpt", paths[number]]
    write_text(place / "teachers.json", json.dumps(words, indent=2) + "\n")


def write_selection(path: Path, verdicts: Sequence[Verdict]) -> None:
    """Write a line for each pseudo-mask: its figures, whether it was chosen, and why not."""
    rows = [
        {
            **{k: _rounded(v) for k, v in verdict.candidate._asdict().items()},
            "score": _rounded(verdict.score),
            "selected": verdict.reason is None,
            "reason": verdict.reason,
        }
        for verdict in verdicts
    ]
    write_text(path, "".join(f"{json.dumps(row)}\n" for row in rows))


def read_selection(path: Path) -> dict[str, float]:
    """Return name and score of each chosen pseudo-mask.

    Raises:
        SodError: The file is damaged.
    """
    try:
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        chosen = {row["name"]: float(row["score"]) for row in rows if row["selected"]}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SodError(f"{path}: cannot be read: delete it to select again.") from error
    return chosen


def draw_generations(
    path: Path, samples: Sequence[Sample], stores: Mapping[str, LabelStore], count: int = 8
) -> Tensor:
    """Draw the same images through the generations: a row each, a column for each store.

    Args:
        path: The PNG to write.
        samples: Evenly spaced ones of them are shown.
        stores: The maps by column.
        count: Rows at most.

    Returns:
        The picture, ``[3, H, W]`` in [0, 1].
    """
    rows = min(count, len(samples))
    shown = [samples[i * len(samples) // rows] for i in range(rows)]
    columns = {"image": torch.cat([_square(_image(sample)) for sample in shown])}
    for name, store in stores.items():
        maps = [read_map(store.path(sample.name))[None, None] for sample in shown]
        columns[name] = torch.cat([_square(each) for each in maps])
    grid = tile(columns, rows)
    pixels = (grid * 255).round().byte().permute(1, 2, 0).numpy()
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return grid


def summary(candidates: Sequence[Candidate]) -> dict[str, Any]:
    """Return the means over all labels of what is known of them without a mask."""
    seen = [candidate._asdict() for candidate in candidates]
    keys = ("contrast", "area", "border", "agreement", "evalseg")
    return {key: _rounded(sum(row[key] for row in seen) / max(len(seen), 1)) for key in keys}


def _image(sample: Sample) -> Tensor:
    return torch.from_numpy(read_image(sample.image)).permute(2, 0, 1)[None].float() / 255


def _square(maps: Tensor) -> Tensor:
    return F.interpolate(maps, (SIDE, SIDE), mode="bilinear", antialias=True)


def _rounded(value: Any) -> Any:  # noqa: ANN401 - a figure, or a name as it is
    return round(value, 4) if isinstance(value, float) else value
