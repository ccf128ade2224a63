"""Benchmark of methods on datasets: each pair is evaluated once, in a process of its own."""

import csv
import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch

from sod.core.configs import find_config, is_config, packaged_configs
from sod.core.errors import SodError, suggest, suggest_path
from sod.core.files import write_text
from sod.core.names import check_file_name
from sod.data.benchmarks import Dataset
from sod.data.maps import read_map
from sod.data.reading import read_image_tensor, read_mask
from sod.data.samples import Sample
from sod.evaluation.evaluator import method_label
from sod.evaluation.gallery import Gallery
from sod.evaluation.identity import Identity, identity_of
from sod.evaluation.published import published_rows
from sod.evaluation.reports import write_per_image, write_reports
from sod.evaluation.writing import Curves, remove_results, write_curves, write_grids

Row = dict[str, Any]
METRICS_FILE = "metrics.json"
IDENTITY_FILE = "identity.json"


@dataclass(frozen=True)
class BenchmarkEntry:
    """A method of the benchmark.

    Attributes:
        label: Name in tables, figures and folders.
        arguments: Options of `sod evaluate` that build the method.
    """

    label: str
    arguments: tuple[str, ...]


class _Results(NamedTuple):
    """Results of several pairs: rows of ``metrics.json``, rows per image, curves by dataset."""

    rows: list[Row]
    per_image: list[Row]
    curves: Curves


def parse_entries(text: str) -> list[BenchmarkEntry]:
    """Parse ``LABEL=CONFIG+CONFIG,FILE.ckpt,MAPS_DIR``; a label defaults to the file's stem.

    Raises:
        SodError: There is no entry, a file is absent, or two entries share a label.
    """
    entries = [_parse_entry(part.strip()) for part in text.split(",") if part.strip()]
    labels = [entry.label for entry in entries]
    if not labels:
        raise SodError("--methods: names none; give configs, checkpoints or folders of maps.")
    repeated = next((label for label in labels if labels.count(label) > 1), None)
    if repeated:
        raise SodError(f"--methods: '{repeated}' occurs twice: label one as NAME=FILE.")
    return entries


def _parse_entry(part: str) -> BenchmarkEntry:
    label, equals, files = part.partition("=")
    names = (files if equals else label).split("+")
    paths = [Path(find_config(name, "--methods") if is_config(name) else name) for name in names]
    for path in paths:
        if not path.exists():
            hint = suggest_path(str(path)) or suggest(str(path), packaged_configs())
            raise SodError(
                f"--methods {path}: there is no such config, checkpoint or folder.{hint}"
            )
    name = check_file_name(label, "--methods") if equals else paths[0].stem
    if paths[0].is_dir():
        return BenchmarkEntry(name, ("--maps", str(paths[0])))
    if paths[0].suffix in {".ckpt", ".safetensors"}:
        return BenchmarkEntry(name, ("--ckpt", str(paths[0])))
    return BenchmarkEntry(name, tuple(word for path in paths for word in ("--config", str(path))))


def result_folder(out: Path, label: str, dataset: str) -> Path:
    """Return the folder of one pair's results, ``OUT/results/LABEL/DATASET``."""
    return out / "results" / label / dataset


def evaluate_entry(
    entry: BenchmarkEntry,
    dataset: Dataset,
    place: Sequence[str],
    out: Path,
    options: Sequence[str],
) -> None:
    """Evaluate one method on one dataset, unless results of the same content exist.

    The identity of the results is removed before the evaluation and written after it, so that an
    interrupted evaluation leaves nothing that looks finished.

    Args:
        entry: The method.
        dataset: The dataset.
        place: Options of `sod evaluate` that name the dataset and its root.
        out: Folder of the benchmark.
        options: Further options of `sod evaluate`, the same for all pairs.

    Raises:
        SodError: The evaluation failed, or a file of the method cannot be read.
    """
    folder = result_folder(out, entry.label, dataset.name)
    identity = identity_of(entry.arguments, dataset, options)
    if _finished(folder) == identity:
        return
    (folder / IDENTITY_FILE).unlink(missing_ok=True)
    remove_results(folder)
    remove_results(out)  # they are made of all pairs
    words = [*entry.arguments, *place, *options]
    command = [sys.executable, "-m", "sod", "evaluate", *words, "--save_maps=true"]
    command += ["--label", entry.label, "--out", str(folder)]
    code = subprocess.run(command, stdout=subprocess.DEVNULL, check=False).returncode  # noqa: S603
    if code not in {0, 1} or not _is_complete(folder):
        raise SodError(f"{entry.label} on {dataset.name}: the evaluation failed, see above.")
    write_text(folder / IDENTITY_FILE, json.dumps(identity, indent=2) + "\n")


def _finished(folder: Path) -> Identity | None:
    """Return the identity of finished results; None if there are none."""
    try:
        identity = json.loads((folder / IDENTITY_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return identity if isinstance(identity, dict) and _is_complete(folder) else None


def _is_complete(folder: Path) -> bool:
    names = (METRICS_FILE, "per_image.csv", "curves.json", "maps")
    return all((folder / name).exists() for name in names)


def summarise(
    pairs: Sequence[tuple[BenchmarkEntry, str]],
    samples: Callable[[str], Sequence[Sample]],
    out: Path,
    published: bool,
) -> list[Row]:
    """Write the joint tables, rows per image, curves and image grids of all pairs.

    Args:
        pairs: Methods and names of datasets, all evaluated.
        samples: Returns the images and masks of a dataset, given its name.
        out: Folder of the benchmark.
        published: Whether the tables also show published rows of the same protocol.

    Returns:
        One row per method, dataset and refinement, as in ``metrics.json``.
    """
    rows, per_image, curves = _read_results(pairs, out)
    datasets = list(curves)
    shown = published_rows(datasets, str(rows[0]["protocol"])) if published else []
    write_reports(rows, out, published=shown)
    write_per_image(per_image, out / "per_image.csv")
    write_curves(curves, out, "")
    write_grids({name: _gallery(per_image, name, samples(name), out) for name in datasets}, out)
    return rows


def _read_results(pairs: Sequence[tuple[BenchmarkEntry, str]], out: Path) -> _Results:
    results = _Results([], [], {})
    for entry, dataset in pairs:
        folder = result_folder(out, entry.label, dataset)
        try:
            _add_results(results, folder)
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise SodError(f"{folder}: is damaged: delete it to evaluate again.") from error
    return results


def _add_results(results: _Results, folder: Path) -> None:
    """Add the results in one folder."""
    results.rows.extend(json.loads((folder / METRICS_FILE).read_text(encoding="utf-8")))
    with (folder / "per_image.csv").open(encoding="utf-8", newline="") as file:
        results.per_image.extend(csv.DictReader(file))
    for name, curves in _read_curves(folder / "curves.json").items():
        results.curves.setdefault(name, {}).update(curves)


def _read_curves(path: Path) -> Curves:
    return {
        dataset: {
            name: {kind: torch.tensor(values) for kind, values in curves.items()}
            for name, curves in methods.items()
        }
        for dataset, methods in json.loads(path.read_text()).items()
    }


def _gallery(
    per_image: Sequence[Row], dataset: str, samples: Sequence[Sample], out: Path
) -> Gallery:
    """Build the gallery of one dataset from the saved maps of every method."""
    rows = [row for row in per_image if row["dataset"] == dataset]
    names = _example_names(rows)
    by_name = {sample.name: sample for sample in samples}
    gallery = Gallery()
    for row in rows:
        method, name = row["method"], row["name"]
        sample = by_name[name]
        if name not in names or sample.mask is None:
            continue
        column = method_label(method, row["refine"])
        maps = result_folder(out, method, dataset) / "maps" / column / dataset
        image = read_image_tensor(sample.image)
        mask = torch.from_numpy(read_mask(sample.mask))
        gallery.offer(column, name, image, mask, read_map(maps / f"{name}.png"), float(row["iou"]))
    return gallery


def _example_names(rows: Sequence[Row]) -> set[str]:
    """Return the images of the two worst, median and best IoUs of the first method."""
    first = (rows[0]["method"], rows[0]["refine"])
    ranked = sorted(
        (float(row["iou"]), row["name"]) for row in rows if (row["method"], row["refine"]) == first
    )
    middle = len(ranked) // 2
    examples = [*ranked[:2], *ranked[max(middle - 1, 0) : middle + 1], *ranked[-2:]]
    return {name for _, name in examples}
