"""Comparison of two runs: their checkpoints, logs, stores and results."""

import csv
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from helpers.training_runs import points

from sod.engine.checkpoint import read_checkpoint

LEFTOVERS = (".lock", "*.tmp", "manifest.*.jsonl", "log-*")
"""Files that a run that ended leaves nowhere."""


def differences(one: Path, other: Path) -> Iterator[str]:
    """Yield what differs between two runs of the same configuration."""
    files = {path.relative_to(run) for run in (one, other) for path in run.rglob("*.ckpt")}
    for file in sorted(files):
        if not (one / file).is_file() or not (other / file).is_file():
            yield f"{file} is missing in one"
        elif file.name in {"quality.ckpt"}:
            yield from _unequal(_tensors(one / file), _tensors(other / file), str(file))
        else:
            left, right = (_comparable(read_checkpoint(run / file), run) for run in (one, other))
            yield from _unequal(left, right, str(file))
    yield from _logs(one, other)
    yield from _stores(one, other)
    yield from _results(one, other)


def leftovers(run: Path) -> list[str]:
    """Return unfinished files and locks that lie in a run that has ended."""
    return [str(path.relative_to(run)) for pattern in LEFTOVERS for path in run.rglob(pattern)]


def _tensors(path: Path) -> Any:  # noqa: ANN401
    return torch.load(path, weights_only=True)


def _comparable(value: Any, run: Path) -> Any:  # noqa: ANN401
    """Return a checkpoint's content without the folder of its run."""
    if isinstance(value, dict):
        return {str(k).replace(str(run), ""): _comparable(v, run) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_comparable(item, run) for item in value]
    return value.replace(str(run), "") if isinstance(value, str) else value


def _unequal(left: Any, right: Any, place: str) -> Iterator[str]:  # noqa: ANN401
    """Yield the places where two nested values differ."""
    if isinstance(left, dict) and isinstance(right, dict):
        for key in sorted({**left, **right}, key=str):
            if key not in left or key not in right:
                yield f"{place}.{key} is missing in one"
            else:
                yield from _unequal(left[key], right[key], f"{place}.{key}")
    elif isinstance(left, list) and isinstance(right, list) and len(left) == len(right):
        for index, pair in enumerate(zip(left, right, strict=True)):
            yield from _unequal(*pair, f"{place}.{index}")
    elif isinstance(left, torch.Tensor) and isinstance(right, torch.Tensor):
        if left.shape != right.shape or not torch.equal(left, right):
            yield f"{place} differs"
    elif left != right and not (_is_nan(left) and _is_nan(right)):
        yield f"{place}: {left} or {right}"


def _is_nan(value: object) -> bool:
    return isinstance(value, float) and math.isnan(value)  # the border of an empty map


def _logs(one: Path, other: Path) -> Iterator[str]:
    for folder in sorted({p.parent.parent.relative_to(one) for p in one.rglob("tensorboard/*")}):
        if not (other / folder / "tensorboard").is_dir():
            yield f"{folder}: no log"
            continue
        left, right = (_last_of_each_step(run / folder) for run in (one, other))
        yield from _unequal(left, right, f"{folder}/tensorboard")


def _last_of_each_step(run: Path) -> dict[str, dict[int, float]]:
    """Return the values of each scalar by step; a validation that was repeated counts once."""
    return {name: dict(each) for name, each in points(run).items()}


def _stores(one: Path, other: Path) -> Iterator[str]:
    for file in sorted(path.relative_to(one) for path in one.rglob("*.png")):
        if not (other / file).is_file() or (one / file).read_bytes() != (other / file).read_bytes():
            yield f"{file} differs"
    for file in sorted(path.relative_to(one) for path in one.rglob("manifest.jsonl")):
        if not (other / file).is_file() or _labels(one / file) != _labels(other / file):
            yield f"{file} differs"


def _results(one: Path, other: Path) -> Iterator[str]:
    """Yield files that are missing, exported models that differ, and tables but for the times."""
    for file in sorted(path.relative_to(one) for path in one.rglob("*") if path.is_file()):
        if not (other / file).is_file():
            if not file.name.startswith("events.out"):
                yield f"{file} is missing"
        elif file.suffix == ".csv":
            yield from _unequal(_table(one / file), _table(other / file), str(file))
        elif (
            file.suffix == ".safetensors"
            and (one / file).read_bytes() != (other / file).read_bytes()
        ):
            yield f"{file} differs"


def _table(file: Path) -> list[dict[str, str]]:
    """Return the rows of a table without what depends on the machine."""
    with file.open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    measured = ("seconds", "seconds_per_image", "peak_memory_mb")
    return [{key: value for key, value in row.items() if key not in measured} for row in rows]


def _labels(manifest: Path) -> dict[str, Any]:
    rows = [json.loads(line) for line in manifest.read_text().splitlines()]
    return {row["name"]: row for row in rows}
