"""Benchmark of methods on datasets: each pair is evaluated once, all are joined in one table."""

import csv
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from sod.core.errors import SodError
from sod.core.files import make_folder, write_text
from sod.data.benchmarks import Dataset
from sod.evaluation.evaluator import Result, method_label
from sod.evaluation.gallery import Gallery
from sod.evaluation.identity import Identity, identity_of
from sod.evaluation.image_results import image_file, load_results
from sod.evaluation.lists import BenchmarkEntry
from sod.evaluation.map_sources import MapSource, map_files
from sod.evaluation.pictures import Pictures
from sod.evaluation.plan import Plan
from sod.evaluation.saved_maps import evaluate_maps
from sod.evaluation.writing import CURVES_FILE, remove_results, write_numbers

Row = dict[str, Any]
METRICS_FILE = "metrics.json"
PER_IMAGE_FILE = "per_image.csv"
IDENTITY_FILE = "identity.json"


def result_folder(out: Path, label: str, dataset: str) -> Path:
    """Return the folder of one pair's results, ``OUT/results/LABEL/DATASET``."""
    return out / "results" / label / dataset


def evaluate_entry(
    entry: BenchmarkEntry, dataset: Dataset, place: Sequence[str], out: Path, plan: Plan
) -> None:
    """Evaluate one method on one dataset, unless results of the same content exist.

    Methods run in a process of their own; saved maps are measured in this one. The identity of the
    results is removed before the evaluation and written after it, so that an interrupted
    evaluation leaves nothing that looks finished.

    Args:
        entry: The method.
        dataset: The dataset.
        place: Options of `sod evaluate` that name the dataset and its root.
        out: Folder of the benchmark.
        plan: What is measured.

    Raises:
        SodError: The evaluation failed, or a file of the method cannot be read.
    """
    folder = result_folder(out, entry.label, dataset.name)
    options = ["--protocol", plan.protocol, "--refine", ",".join(plan.refinements)]
    options += ["--measures", ",".join(plan.measures), "--missing", plan.missing]
    identity = identity_of(entry.arguments, dataset, options)
    if _finished(folder) == identity:
        return
    (folder / IDENTITY_FILE).unlink(missing_ok=True)
    remove_results(folder)
    remove_results(out)  # they are made of all pairs
    if entry.maps is None:
        _run(entry, dataset.name, [*place, *options], folder)
    else:
        _measure(entry, dataset, folder, plan)
    write_text(folder / IDENTITY_FILE, json.dumps(identity, indent=2) + "\n")


def _run(entry: BenchmarkEntry, dataset: str, options: Sequence[str], folder: Path) -> None:
    """Evaluate a method in a process of its own."""
    words = [*entry.arguments, *options, "--save_maps=true", "--resamples", "0"]
    command = [sys.executable, "-m", "sod", "evaluate", *words, "--pictures=false"]
    command += ["--label", entry.label, "--out", str(folder)]
    code = subprocess.run(command, stdout=subprocess.DEVNULL, check=False).returncode  # noqa: S603
    if code not in {0, 1} or not _is_complete(folder):
        raise SodError(f"{entry.label} on {dataset}: the evaluation failed, see above.")


def _measure(entry: BenchmarkEntry, dataset: Dataset, folder: Path, plan: Plan) -> None:
    """Measure saved maps; refined ones are saved for the galleries."""
    make_folder(str(folder))
    source = MapSource(entry.label, str(entry.maps))
    refined = any(kind != "none" for kind in plan.refinements)
    save = folder / "maps" if refined else None
    result, findings = evaluate_maps(source, dataset.name, dataset.samples, plan, None, save)
    for line in findings.lines():
        sys.stderr.write(f"{line}\n")
    write_numbers([result], folder)


def _finished(folder: Path) -> Identity | None:
    """Return the identity of finished results; None if there are none."""
    try:
        identity = json.loads((folder / IDENTITY_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return identity if isinstance(identity, dict) and _is_complete(folder) else None


def _is_complete(folder: Path) -> bool:
    names = (METRICS_FILE, PER_IMAGE_FILE, CURVES_FILE)
    return all((folder / name).exists() for name in names) and any(folder.glob("images*.npz"))


def read_result(folder: Path, dataset: str, gallery: Gallery) -> Result:
    """Read the results of one pair.

    Args:
        folder: Its folder.
        dataset: Name of the dataset.
        gallery: The gallery of the result, filled by :func:`fill_gallery`.

    Raises:
        SodError: A file is damaged.
    """
    try:
        return _read_result(folder, dataset, gallery)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise SodError(f"{folder}: is damaged: delete it to evaluate again.") from error


def _read_result(folder: Path, dataset: str, gallery: Gallery) -> Result:
    rows = json.loads((folder / METRICS_FILE).read_text(encoding="utf-8"))
    with (folder / PER_IMAGE_FILE).open(encoding="utf-8", newline="") as file:
        per_image = [
            {k: v for k, v in row.items() if k != "method"} for row in csv.DictReader(file)
        ]
    curves = json.loads((folder / CURVES_FILE).read_text(encoding="utf-8"))[dataset]
    tensors = {
        label: {kind: torch.tensor(values) for kind, values in lines.items()}
        for label, lines in curves.items()
    }
    labels = [method_label(row["method"], row["refine"]) for row in rows]
    images = {label: load_results(folder / image_file(label, dataset)) for label in labels}
    return Result(dataset, rows, per_image, tensors, gallery, images)


def read_results(
    entries: Sequence[BenchmarkEntry], datasets: Sequence[Dataset], out: Path
) -> tuple[list[Result], Pictures]:
    """Read the results of all pairs, and find their pictures.

    Raises:
        SodError: A file is damaged.
    """
    pictures = Pictures({dataset.name: dataset.samples for dataset in datasets})
    results = []
    for dataset in datasets:
        gallery = Gallery()
        group = []
        for entry in entries:
            folder = result_folder(out, entry.label, dataset.name)
            result = read_result(folder, dataset.name, gallery)
            for row in result.rows:
                label = method_label(entry.label, row["refine"])
                pictures.add(dataset.name, label, _files(entry, label, row, dataset.name, folder))
            group.append(result)
        fill_gallery(gallery, group, pictures)
        results += group
    return results, pictures


def _files(
    entry: BenchmarkEntry, label: str, row: Row, dataset: str, folder: Path
) -> dict[str, Path]:
    """Return the map files of one row: where they came from, or as they were saved."""
    if entry.maps is not None and row["refine"] == "none":
        return map_files(MapSource(entry.label, entry.maps), dataset)
    saved = folder / "maps" / label / dataset
    return map_files(MapSource(label, str(saved)), dataset) if saved.is_dir() else {}


def fill_gallery(gallery: Gallery, results: Sequence[Result], pictures: Pictures) -> None:
    """Add the best, median and worst images of the first method, with the maps of all.

    Args:
        gallery: An empty gallery.
        results: Results on one dataset.
        pictures: Photos, masks and maps.
    """
    dataset = results[0].dataset
    first = results[0].rows[0]
    own = [row for row in results[0].per_image if row["refine"] == first["refine"]]
    names = _example_names(own)
    for result in results:
        for row in result.rows:
            label = method_label(row["method"], row["refine"])
            for image in result.per_image:
                name = image["name"]
                if image["refine"] != row["refine"] or name not in names:
                    continue
                saliency = pictures.map(dataset, label, name)
                if saliency is not None:
                    photo, mask = pictures.photo(dataset, name), pictures.mask(dataset, name)
                    gallery.offer(label, name, photo, mask, saliency, float(image["iou"]))


def _example_names(rows: Sequence[Row]) -> set[str]:
    """Return the images of the two worst, median and best IoUs."""
    ranked = sorted((float(row["iou"]), row["name"]) for row in rows)
    middle = len(ranked) // 2
    examples = [*ranked[:2], *ranked[max(middle - 1, 0) : middle + 1], *ranked[-2:]]
    return {name for _, name in examples}
