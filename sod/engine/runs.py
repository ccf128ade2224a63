"""The runs in a folder: method, data, steps, score, state, and how to go on."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import torch

from sod.core.files import read_yaml
from sod.core.locks import is_locked
from sod.engine.run_folder import CONFIG


class Run(NamedTuple):
    """One run.

    Args:
        folder: Its folder.
        method: Class name of the method.
        train: The datasets that it is trained on.
        steps: Optimiser steps that are done; None where no checkpoint counts them.
        total: Those that are configured; None: no number is.
        score: Figure and value of ``best.ckpt``, or None.
        changed: When it was last written.
        complete: Whether it ended by itself: its steps are done, or its last ensemble is there.
        running: Whether a process is writing it.
    """

    folder: Path
    method: str
    train: str
    steps: int | None
    total: int | None
    score: tuple[str, float] | None
    changed: datetime
    complete: bool
    running: bool

    @property
    def state(self) -> str:
        """``running``, ``finished`` or ``stopped``."""
        if self.running:
            return "running"
        return "finished" if self.complete else "stopped"

    @property
    def how_to_go_on(self) -> str:
        """The command that goes on with it, or that uses it."""
        if self.state == "finished":
            best = self.folder / ("last.ckpt" if self.score is None else "best.ckpt")
            return f"sod predict --ckpt {best} --source PHOTOS"
        return f"sod fit --config {self.folder / CONFIG} --out {self.folder}"


def find_runs(parent: Path) -> Iterator[Run]:
    """Yield the runs in a folder and its sub-folders, those of students of generations apart.

    Raises:
        SodError: A configuration cannot be read.
    """
    for config in sorted(parent.rglob(CONFIG)):
        content = read_yaml(config, "--runs")
        if "trainer" in content and "model" in content and _part(content, "data").get("train"):
            yield _run(config.parent, content)


def _run(folder: Path, config: dict[str, Any]) -> Run:
    model, data, trainer = (_part(config, key) for key in ("model", "data", "trainer"))
    last, best = _content(folder / "last.ckpt"), _content(folder / "best.ckpt")
    steps, total = last.get("global_step"), trainer.get("max_steps")
    steps = steps if isinstance(steps, int) else None
    total = total if steps is not None and isinstance(total, int) and total > 0 else None
    times = [path.stat().st_mtime for path in folder.iterdir() if path.is_file()]
    return Run(
        folder,
        str(model.get("class_path", "")).rpartition(".")[2],
        str(data["train"]),
        steps,
        total,
        _score(_part(best, "best")),
        datetime.fromtimestamp(max(times)),
        bool(last) and (total is None or (steps or 0) >= total),
        is_locked(folder),
    )


def _part(content: dict[str, Any], key: str) -> dict[str, Any]:
    """Return a part that should be a mapping; an empty one if it is none."""
    part = content.get(key)
    return part if isinstance(part, dict) else {}


def _score(best: dict[str, Any]) -> tuple[str, float] | None:
    figure, value = best.get("figure"), best.get("value")
    return (str(figure), float(value)) if isinstance(value, int | float) else None


def _content(path: Path) -> dict[str, Any]:
    """Return a checkpoint's content, nothing of one that is not there or cannot be read."""
    try:
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except Exception:  # damaged files raise many kinds
        return {}
    return content if isinstance(content, dict) else {}
