"""Many methods on many datasets: each pair in a process of its own, nothing done twice."""

import csv
import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from sod.core.errors import SodError
from sod.data.reading import read_image, read_mask
from sod.data.samples import Sample
from sod.evaluation.gallery import Gallery
from sod.evaluation.published import published_rows
from sod.evaluation.reports import write_per_image, write_reports
from sod.evaluation.writing import Curves, write_curves, write_grids
from sod.evaluation.saved_maps import read_map

Row = dict[str, Any]
DONE = "metrics.json"


@dataclass(frozen=True)
class Contender:
    """A method of the benchmark: its label and what `sod evaluate` needs to build it."""

    label: str
    arguments: tuple[str, ...]


def parse_contenders(text: str) -> list[Contender]:
    """Split ``LABEL=CONFIG+CONFIG,FILE.ckpt,MAPS_DIR``; the label defaults to the file's stem.

    Raises:
        SodError: A file is absent, or two contenders share a label.
    """
    contenders = [_contender(part.strip()) for part in text.split(",") if part.strip()]
    labels = [contender.label for contender in contenders]
    if not labels:
        raise SodError("--methods: names none; give configs, checkpoints or folders of maps.")
    twice = next((label for label in labels if labels.count(label) > 1), None)
    if twice:
        raise SodError(f"--methods: '{twice}' occurs twice: label one as NAME=FILE.")
    return contenders


def _contender(part: str) -> Contender:
    label, equals, files = part.partition("=")
    paths = [Path(file) for file in (files if equals else label).split("+")]
    for path in paths:
        if not path.exists():
            raise SodError(f"--methods {path}: there is no such config, checkpoint or folder.")
    name = label if equals else paths[0].stem
    if paths[0].is_dir():
        return Contender(name, ("--maps", str(paths[0])))
    if paths[0].suffix in {".ckpt", ".safetensors"}:
        return Contender(name, ("--ckpt", str(paths[0])))
    return Contender(name, tuple(word for path in paths for word in ("--config", str(path))))


def run_cell(
    contender: Contender, dataset: str, source: str, out: Path, options: Sequence[str]
) -> None:
    """Evaluate one method on one dataset, unless that is done.

    Args:
        contender: The method.
        dataset: The dataset's name.
        source: What was asked for as that dataset: a name, or a folder.
        out: Folder of the benchmark; the pair's own is ``OUT/cells/LABEL/DATASET``.
        options: What every pair is run with; a pair run with other options is run again.

    Raises:
        SodError: The evaluation failed.
    """
    folder = out / "cells" / contender.label / dataset
    words = [*contender.arguments, "--data.test", source, *options]
    done = folder / "command.json"
    if not (done.is_file() and json.loads(done.read_text()) == words):
        command = [sys.executable, "-m", "sod", "evaluate", *words, "--save_maps=true"]
        command += ["--label", contender.label, "--out", str(folder)]
        code = subprocess.run(command, stdout=subprocess.DEVNULL, check=False).returncode  # noqa: S603
        if code not in {0, 1} or not (folder / DONE).is_file():
            raise SodError(f"{contender.label} on {dataset}: the evaluation failed, see above.")
        done.write_text(json.dumps(words))


def summarise(
    cells: Sequence[tuple[Contender, str]],
    samples: Callable[[str], Sequence[Sample]],
    out: Path,
    published: bool,
) -> list[Row]:
    """Join the pairs' results: tables, rows per image, curves, and pictures side by side.

    Args:
        cells: Methods and datasets, all evaluated.
        samples: Gives a dataset's images and masks.
        out: Folder of the benchmark.
        published: Show the published rows of the same protocol.

    Returns:
        All rows.
    """
    rows: list[Row] = []
    images: list[Row] = []
    curves: Curves = {}
    for contender, dataset in cells:
        folder = out / "cells" / contender.label / dataset
        rows += json.loads((folder / DONE).read_text())
        with (folder / "per_image.csv").open(encoding="utf-8") as file:
            images += csv.DictReader(file)
        for name, methods in json.loads((folder / "curves.json").read_text()).items():
            tensors = {
                label: {kind: torch.tensor(values) for kind, values in parts.items()}
                for label, parts in methods.items()
            }
            curves.setdefault(name, {}).update(tensors)
    datasets = list(curves)
    protocol = str(rows[0]["protocol"])
    write_reports(rows, out, published=published_rows(datasets, protocol) if published else [])
    write_per_image(images, out / "per_image.csv")
    write_curves(curves, out, "")
    galleries = {
        dataset: _gallery(images, dataset, {s.name: s for s in samples(dataset)}, out)
        for dataset in datasets
    }
    write_grids(galleries, out)
    return rows


def _gallery(images: Sequence[Row], dataset: str, samples: dict[str, Sample], out: Path) -> Gallery:
    """Collect the first method's best, median and worst images, with every method's maps."""
    own = [row for row in images if row["dataset"] == dataset]
    first = (own[0]["method"], own[0]["refine"])
    ranked = sorted(
        (float(row["iou"]), row["name"]) for row in own if (row["method"], row["refine"]) == first
    )
    middle = len(ranked) // 2
    names = {
        name for _, name in [*ranked[:2], *ranked[max(middle - 1, 0) : middle + 1], *ranked[-2:]]
    }
    gallery = Gallery()
    for row in own:
        sample = samples[row["name"]]
        if row["name"] not in names or sample.mask is None:
            continue
        label = row["method"] if row["refine"] == "none" else f"{row['method']}+{row['refine']}"
        path = out / "cells" / row["method"] / dataset / "maps" / label / dataset
        gallery.offer(
            label,
            row["name"],
            torch.from_numpy(read_image(sample.image)).permute(2, 0, 1).float() / 255,
            torch.from_numpy(read_mask(sample.mask)),
            read_map(path / f"{row['name']}.png"),
            float(row["iou"]),
        )
    return gallery
