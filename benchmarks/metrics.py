"""Speed and agreement of all metrics of one map, compared with PySODMetrics.

    python benchmarks/metrics.py [--out benchmarks/results] [--images 20] [--repeats 7]

The masks are those of ECSSD (0001, 0002, ... in $SOD_SHARED or ../shared) resized to 400x300, or
ellipses if that folder is absent; the predictions are the masks, blurred and with noise. Both
libraries are timed alternately on the same arrays with one thread. The time of an image is the
shortest processor time of its repeats, which other processes hardly affect. Both measure one large
map first: afterwards the allocator keeps its memory, as it does after a network has run.
"""

import argparse
import os
import platform
import time
import warnings
from importlib.metadata import version
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import py_sod_metrics as oracle
import torch
from common import RESULTS, ROOT, listed, write_results
from numpy.typing import NDArray
from PIL import Image

from sod.metrics import EXTRA_MEASURES, MEASURES, get_protocol, measure

Picture = NDArray[np.uint8]
SIZE = (400, 300)
TIMED = {
    "MAE": ("mae",),
    "S-measure": ("s_measure",),
    "weighted F": ("weighted_f",),
    "E-measure": ("max_e", "mean_e", "adaptive_e"),
    "F, IoU, accuracy, Dice, BER": (
        *("iou", "accuracy", "max_f", "mean_f", "adaptive_f", "dice", "ber"),
    ),
}


def pairs(count: int) -> tuple[str, list[tuple[Picture, Picture]]]:
    """Return a description of the masks, and pairs of map and mask."""
    random = np.random.default_rng(0)
    folder = Path(os.environ.get("SOD_SHARED", ROOT.parent / "shared"))
    paths = sorted((folder / "data" / "ECSSD" / "ground_truth_mask").glob("*.png"))[:count]
    masks = [np.array(Image.open(path).convert("L").resize(SIZE, 0)) for path in paths]
    source = f"{len(masks)} ECSSD masks"
    if not masks:
        source, masks = f"{count} ellipses", [_ellipse(random) for _ in range(count)]
    examples = []
    for mask in masks:
        soft = cv2.GaussianBlur(mask.astype(np.float64), (0, 0), 6)
        noisy = 0.7 * soft + 70 * random.random(mask.shape)
        examples.append((noisy.clip(0, 255).astype(np.uint8), mask))
    return source, examples


def _ellipse(random: np.random.Generator) -> Picture:
    centre = tuple(int(x) for x in random.integers(80, 220, 2))
    axes = tuple(int(x) for x in random.integers(30, 90, 2))
    return cv2.ellipse(np.zeros(SIZE[::-1], np.uint8), centre, axes, 20, 0, 360, 255, -1)


def theirs(picture: Picture, mask: Picture) -> tuple[dict[str, float], dict[str, float]]:
    """Return the values of PySODMetrics, and the seconds of each of its parts."""
    handlers = {
        "f": oracle.FmeasureHandler,
        "iou": oracle.IOUHandler,
        "accuracy": oracle.OverallAccuracyHandler,
        "dice": oracle.DICEHandler,
        "ber": oracle.BERHandler,
    }
    many = {name: kind(True, True, with_binary=True) for name, kind in handlers.items()}
    parts = (
        oracle.MAE(),
        oracle.Smeasure(),
        oracle.WeightedFmeasure(),
        oracle.Emeasure(),
        oracle.FmeasureV2(many),
    )
    seconds = {}
    for name, part in zip(TIMED, parts, strict=True):
        start = time.process_time()
        part.step(picture, mask)
        seconds[name] = time.process_time() - start
    mae, s, weighted, e, v2 = (part.get_results() for part in parts)
    values = {
        "mae": mae["mae"],
        "s_measure": s["sm"],
        "weighted_f": weighted["wfm"],
        "max_e": e["em"]["curve"].max(),
        "mean_e": e["em"]["curve"].mean(),
        "adaptive_e": e["em"]["adp"],
        "max_f": v2["f"]["dynamic"].max(),
        "mean_f": v2["f"]["dynamic"].mean(),
        "adaptive_f": v2["f"]["adaptive"],
        **{name: v2[name]["binary"] for name in ("iou", "accuracy", "dice", "ber")},
    }
    return values, seconds


def ours(picture: Picture, mask: Picture, device: str = "cpu") -> dict[str, float]:
    """Return the values of this project for the same measures."""
    saliency = torch.from_numpy(picture).to(device).float() / 255
    measured = measure(saliency, torch.from_numpy(mask).to(device), get_protocol("pysod"))
    return dict(zip(MEASURES + EXTRA_MEASURES, measured.values.tolist(), strict=True))


def compare(examples: list[tuple[Picture, Picture]], repeats: int) -> dict[str, Any]:
    """Time both libraries alternately.

    Returns:
        Milliseconds per map, their ratio, and the largest difference of any measure.
    """
    large = [np.tile(picture, (5, 5)) for picture in examples[0]]
    ours(*large), theirs(*large)
    own_ms, their_ms, parts_ms, difference = [], [], [], 0.0
    for picture, mask in examples:
        own_times, their_times = [], []
        for _ in range(repeats):
            values, seconds = theirs(picture, mask)
            their_times.append(seconds)
            start = time.process_time()
            row = ours(picture, mask)
            own_times.append(time.process_time() - start)
        difference = max(difference, *(abs(row[name] - values[name]) for name in values))
        own_ms.append(1e3 * min(own_times))
        their_ms.append(1e3 * min(sum(seconds.values()) for seconds in their_times))
        parts_ms.append({name: 1e3 * min(x[name] for x in their_times) for name in TIMED})
    return {
        "ours_ms": float(np.mean(own_ms)),
        "pysodmetrics_ms": float(np.mean(their_ms)),
        "pysodmetrics_parts_ms": {
            name: float(np.mean([part[name] for part in parts_ms])) for name in TIMED
        },
        "ratio": float(np.mean(their_ms) / np.mean(own_ms)),
        "largest_difference": difference,
    }


def throughput(examples: list[tuple[Picture, Picture]]) -> float | None:
    """Return maps per second on a GPU, including transfers, or None without a GPU."""
    if not torch.cuda.is_available():
        return None
    ours(*examples[0], "cuda")
    start = time.perf_counter()
    for picture, mask in examples:
        ours(picture, mask, "cuda")
    return len(examples) / (time.perf_counter() - start)


def markdown(result: dict[str, Any]) -> list[str]:
    """Return the lines of a Markdown page of the result."""
    parts = result["pysodmetrics_parts_ms"]
    gpu = result["gpu_maps_per_second"]
    return [
        "# All measures of one map",
        "",
        f"`{result['command']}`",
        "",
        f"{result['hardware']}; {result['versions']}. {result['source']} at {SIZE[0]}×{SIZE[1]}, "
        f"protocol `pysod`; processor time, the mean over maps of the shortest of "
        f"{result['repeats']} runs.",
        "",
        "| | ms per map |",
        "| --- | ---: |",
        f"| sod, all {len(MEASURES + EXTRA_MEASURES)} measures and 4 curves "
        f"| **{result['ours_ms']:.2f}** |",
        f"| PySODMetrics, the same | {result['pysodmetrics_ms']:.2f} |",
        *(f"| – of which {name} | {value:.2f} |" for name, value in parts.items()),
        "",
        f"**{result['ratio']:.2f}× faster**; largest difference of any measure "
        f"{result['largest_difference']:.1e}. "
        + ("GPU: none here." if gpu is None else f"GPU: {gpu:.0f} maps per second."),
    ]


def main() -> None:
    """Compare both libraries and write the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--images", type=int, default=20)
    parser.add_argument("--repeats", type=int, default=7)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    warnings.simplefilter("ignore")
    source, examples = pairs(arguments.images)
    packages = ("torch", "numpy", "scipy", "opencv-python-headless", "pysodmetrics")
    result = {
        "command": f"python benchmarks/metrics.py --images {arguments.images} "
        f"--repeats {arguments.repeats}",
        "hardware": f"{os.cpu_count()}-core {platform.machine()} CPU, one thread",
        "versions": listed({name: version(name) for name in packages}),
        "source": source,
        "repeats": arguments.repeats,
        **compare(examples, arguments.repeats),
        "gpu_maps_per_second": throughput(examples),
    }
    write_results("metrics", markdown(result), result, arguments.out)


if __name__ == "__main__":
    main()
