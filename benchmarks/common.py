"""Shared parts of the benchmark scripts: data split, commands, timing, IoU and result files."""

import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import scipy
import torch

from sod.data.maps import read_map
from sod.data.reading import read_mask
from sod.refinement.masks import mask_iou

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"
Row = dict[str, float | str]


def split(shared: Path, out: Path, measured: int = 5) -> tuple[Path, Path]:
    """Split ECSSD 0001-0500 into a training and a test folder of symbolic links.

    Args:
        shared: Folder that holds ``data/ECSSD``.
        out: Folder for the links.
        measured: Which hundred of the images is the test set, from 1; the others are for training.

    Returns:
        The training folder and the test folder, each with ``images`` and ``masks``.
    """
    source = (shared / "data" / "ECSSD").resolve()
    for number in range(1, 501):
        part = out / ("test" if (number + 99) // 100 == measured else "train")
        for kind, folder, suffix in (
            ("images", "images", "jpg"),
            ("masks", "ground_truth_mask", "png"),
        ):
            link = part / kind / f"{number:04}.{suffix}"
            link.parent.mkdir(parents=True, exist_ok=True)
            if not link.is_symlink():
                link.symlink_to(source / folder / link.name)
    return out / "train", out / "test"


def sod(command: str, *arguments: str) -> None:
    """Run one command of the program in a process of its own.

    Raises:
        subprocess.CalledProcessError: It failed.
    """
    subprocess.run([sys.executable, "-m", "sod", command, *arguments], check=True)


def iou(pseudo: Path, mask: Path) -> float:
    """Return the IoU of a pseudo-mask file and a mask file, both thresholded at one half."""
    return float(mask_iou(read_map(pseudo) > 0.5, torch.from_numpy(read_mask(mask)) > 127))


def shortest(function: Callable[[], object], passes: int) -> tuple[float, float]:
    """Time a function after one untimed call.

    Returns:
        The shortest wall time and the shortest processor time of ``passes`` calls, milliseconds.
    """
    times = []
    for _ in range(passes + 1):
        wall, cpu = time.perf_counter(), time.process_time()
        function()
        times.append((time.perf_counter() - wall, time.process_time() - cpu))
    walls, cpus = zip(*times[1:], strict=True)
    return 1000 * min(walls), 1000 * min(cpus)


def versions() -> dict[str, str]:
    """Return the versions of the numerical libraries."""
    return {"torch": torch.__version__, "scipy": scipy.__version__, "numpy": np.__version__}


def conditions() -> dict[str, object]:
    """Return what a measurement depends on: commit, versions, machine, threads, load."""
    return {
        "commit": _git("rev-parse", "--short", "HEAD"),
        "uncommitted_changes": bool(_git("status", "--porcelain", "--", "sod", "benchmarks/*.py")),
        "python": platform.python_version(),
        **versions(),
        "machine": platform.machine(),
        "cpus": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "load_average": [round(load, 1) for load in os.getloadavg()],
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
    }


def _git(*words: str) -> str:
    run = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S607
    return run.stdout.strip()


def listed(names: dict[str, str]) -> str:
    """Format versions as ``torch 2.14.1, scipy 1.17.1``."""
    return ", ".join(f"{name} {version}" for name, version in names.items())


def metrics_table(rows: Iterable[tuple[str, Row, Row]], speed: str) -> str:
    """Format the metrics of several methods as a Markdown table.

    Args:
        rows: Name of each method, its unrefined and its refined row of ``metrics.json``.
        speed: Heading of the column of speed: ``s/image`` or ``images/s``.
    """
    head = ["", "IoU", "refined IoU", "max F", "refined max F", "MAE", speed, "MiB"]
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    for name, plain, refined in rows:
        values = [plain["iou"], refined["iou"], plain["max_f"], refined["max_f"], plain["mae"]]
        seconds = float(plain["seconds_per_image"])
        cost = f"{seconds:.2f}" if speed == "s/image" else f"{1 / seconds:.1f}"
        figures = [*(f"{value:.3f}" for value in values), cost, f"{plain['peak_memory_mb']:.0f}"]
        lines.append(f"| {name} | {' | '.join(figures)} |")
    return "\n".join(lines) + "\n"


def write_results(
    name: str, lines: Sequence[str], report: dict[str, Any], folder: Path = RESULTS
) -> None:
    """Print the lines of a Markdown page and write ``NAME.md`` and ``NAME.json``.

    The JSON file holds the conditions of the measurement too.

    Args:
        name: Name of the benchmark.
        lines: Lines of the page.
        report: Content of the JSON file.
        folder: Output folder.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    stated = {"conditions": conditions(), **report}
    (folder / f"{name}.json").write_text(json.dumps(stated, indent=2) + "\n", encoding="utf-8")
    print("\n".join(lines))
