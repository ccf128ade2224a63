"""The cut of many tokens with the matrix of their graph and without: time, memory, result.

    python benchmarks/large_cut.py [--shared ../shared] [--side 120] [--images 5,122] [--passes 3]

Features are those of ECSSD photos that are resized to ``side`` patches on both sides. Each cut runs
in a process of its own, on one thread, in turns; memory is the peak above that before the cut. The
graph is binary, or weighted, which has no bits to hold.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from common import RESULTS, ROOT, conditions
from spectral import peak_megabytes, real_features

from sod.spectral import Graph, implicit, normalized_cut

CASES: dict[str, tuple[Graph, int, int]] = {
    "matrix": ("binary", 10**9, 0),
    "one bit of each similarity": ("binary", 0, 2**60),
    "similarities in each product": ("binary", 0, 0),
    "weighted, matrix": ("weighted", 10**9, 0),
    "weighted, similarities in each product": ("weighted", 0, 0),
}
"""Kind of the graph, tokens of a matrix at most, bytes of held bits at most."""


def cut(case: str, file: Path) -> dict[str, Any]:
    """Cut the features of a file once in this process."""
    torch.set_num_threads(1)
    graph, implicit.MATRIX_TOKENS, implicit.HELD_BYTES = CASES[case]
    features = torch.from_numpy(np.load(file))
    normalized_cut(torch.rand(6, 8, 8), 0.3, graph=graph)  # loads the libraries
    Path("/proc/self/clear_refs").write_text("5")  # resets the peak (Linux)
    before, start = peak_megabytes(), time.process_time()
    result = normalized_cut(features, 0.3, graph=graph)
    return {
        "seconds": time.process_time() - start,
        "megabytes": peak_megabytes() - before,
        "partition": np.packbits(result.partition.numpy()).tobytes().hex(),
    }


def measure(files: list[Path], passes: int) -> list[str]:
    """Return the rows of the table."""
    runs: dict[str, list[list[dict[str, Any]]]] = {case: [[] for _ in files] for case in CASES}
    for _ in range(passes):
        for number, file in enumerate(files):
            for case, results in runs.items():
                command = [sys.executable, __file__, "--cut", case, str(file)]
                output = subprocess.run(command, capture_output=True, check=True).stdout
                results[number].append(json.loads(output))
    return [_row(case, results, runs) for case, results in runs.items()]


def _row(
    case: str, results: list[list[dict[str, Any]]], runs: dict[str, list[list[dict[str, Any]]]]
) -> str:
    dense = runs["weighted, matrix" if case.startswith("weighted") else "matrix"]
    every = [run for image in results for run in image]
    seconds, megabytes = (
        statistics.median(run[key] for run in every) for key in ("seconds", "megabytes")
    )
    pairs = zip(results, dense, strict=True)
    same = sum(ours[0]["partition"] == theirs[0]["partition"] for ours, theirs in pairs)
    return f"| {case} | {seconds:.1f} | {megabytes:.0f} | {same} of {len(results)} |"


def main() -> None:
    """Measure all cases and write ``results/large_cut.md``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shared", type=Path, default=ROOT.parent / "shared")
    parser.add_argument("--side", type=int, default=120)
    parser.add_argument("--images", default="5,122")
    parser.add_argument("--passes", type=int, default=3)
    parser.add_argument("--cut", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.cut:
        print(json.dumps(cut(options.cut[0], Path(options.cut[1]))))
        return
    stated, side = conditions(), options.side
    numbers = [int(number) for number in options.images.split(",")]
    with tempfile.TemporaryDirectory() as folder, torch.inference_mode():
        files = [Path(folder) / f"{number}.npy" for number in numbers]
        tokens = real_features(options.shared, numbers, (16 * side, 16 * side))
        for file, each in zip(files, tokens, strict=True):
            np.save(file, each.T.reshape(-1, side, side).numpy())
        rows = measure(files, options.passes)
    lines = [
        f"# A cut of {side * side:,} tokens",
        "",
        "Value features of block 6 of the stand-in weights (vit_tiny_patch16_224) on ECSSD photos "
        f"{options.images}, resized to {16 * side}×{16 * side} pixels; τ = 0.3; medians of "
        f"{options.passes} passes, one thread, each cut in its own process. Memory is the peak "
        "above that before the cut.",
        "",
        f"Commit {stated['commit']}; `python benchmarks/large_cut.py --side {side} --images "
        f"{options.images} --passes {options.passes}`; torch {stated['torch']}, CPU.",
        "",
        "| what is held | processor s | MiB | partition of the matrix |",
        "|---|---|---|---|",
        *rows,
    ]
    (RESULTS / "large_cut.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
