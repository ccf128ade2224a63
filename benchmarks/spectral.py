"""The normalized-cut eigenvector against a dense generalized eigensolver: time, memory, result.

    python benchmarks/spectral.py [--shared ../shared] [--images 3] [--parity 500]

Each solve runs in its own process with 1 or 2 threads, so that its peak memory can be measured;
both memory figures include the affinity matrix. The graphs are those of clustered random features
if the shared data are absent; the results name the source. Both wall and processor time are
reported, because other processes affect wall time more.
"""

import argparse
import json
import math
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import scipy.linalg
import torch
from common import ROOT, listed, versions, write_results
from torch import Tensor

from sod.data.reading import read_image
from sod.nn.backbones.build import BackboneConfig, build_backbone
from sod.nn.resize import lanczos_resize, saliency_size
from sod.spectral import affinity, bipartition, second_eigenvector

GRIDS = {475: (19, 25), 1900: (38, 50), 3600: (60, 60)}
TARGETS = {475: 3, 1900: 15, 3600: 30}
REPEATS = {475: 15, 1900: 7, 3600: 5}
DENSE_REPEATS = {475: 5, 1900: 2, 3600: 1}
TAU, PATCH = 0.3, 16


def dense(weights: Tensor) -> Tensor:
    """Return the eigenvector as TokenCut's published code computes it."""
    matrix = weights.numpy()
    degrees = np.diag(matrix.sum(1))
    _, vectors = scipy.linalg.eigh(degrees - matrix, degrees, subset_by_index=[1, 1])
    return torch.from_numpy(vectors[:, 0])


SOLVERS = {"sod": second_eigenvector, "dense": dense}


def peak_megabytes() -> float:
    """Return the peak resident memory of this process since its last reset, in MiB (Linux)."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def solve(solver: str, file: Path) -> dict[str, Any]:
    """Solve one graph several times in this process.

    Returns:
        Median seconds of wall and processor time, peak memory, and the bipartition.
    """
    warm = torch.rand(64, 64, dtype=torch.float64)
    SOLVERS[solver](warm + warm.T)  # loads the libraries before memory is measured
    Path("/proc/self/clear_refs").write_text("5")  # resets the peak (Linux)
    before = peak_megabytes()
    weights = torch.from_numpy(np.load(file))
    wall, cpu = [], []
    for _ in range(REPEATS[len(weights)] if solver == "sod" else DENSE_REPEATS[len(weights)]):
        start = time.perf_counter(), time.process_time()
        vector = SOLVERS[solver](weights)
        wall.append(time.perf_counter() - start[0])
        cpu.append(time.process_time() - start[1])
    return {
        "wall": statistics.median(wall),
        "cpu": statistics.median(cpu),
        "megabytes": peak_megabytes() - before,
        "partition": np.packbits(bipartition(vector).numpy()).tobytes().hex(),
    }


def graphs(shared: Path, count: int, tokens: int) -> tuple[str, list[Tensor]]:
    """Return a description and affinity matrices of ECSSD images, or of random features.

    Args:
        shared: Folder of images and weights; random features are used if it is absent.
        count: Number of graphs.
        tokens: Number of tokens of each, a key of ``GRIDS``.
    """
    if not shared.is_dir():
        generator = torch.Generator().manual_seed(0)
        drawn = [clusters(tokens, generator) for _ in range(count)]
        return "clustered random features", [affinity(tokens, TAU) for tokens in drawn]
    rows, columns = GRIDS[tokens]
    size = rows * PATCH, columns * PATCH
    numbers = [1 + index * 499 // max(count - 1, 1) for index in range(count)]
    return (
        "value features of block 6 of vit_tiny_patch16_224 on ECSSD, resized to the grid",
        [affinity(f, TAU) for f in real_features(shared, numbers, size)],
    )


def clusters(tokens: int, generator: torch.Generator) -> Tensor:
    """Return random tokens ``[N, 32]`` around six centres."""
    centres = torch.randn(6, 32, generator=generator)
    which = torch.randint(6, (tokens,), generator=generator)
    return centres[which] + torch.randn(tokens, 32, generator=generator)


def real_features(
    shared: Path, numbers: list[int], size: tuple[int, int] | None = None
) -> list[Tensor]:
    """Return the tokens ``[N, C]`` of ECSSD images at a given size, or at the published one."""
    weights = str(shared / "weights" / "vit_tiny_patch16_224.safetensors")
    config = BackboneConfig("vit_tiny_patch16_224", weights, "value", 6, "timm")
    backbone = build_backbone(config)
    tokens = []
    for number in numbers:
        pixels = read_image(shared / "data" / "ECSSD" / "images" / f"{number:04d}.jpg")
        images = torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 255
        target = size or saliency_size(*images.shape[-2:], PATCH)
        tokens.append(backbone(lanczos_resize(images, target))[0].flatten(1).T)
    return tokens


def parity(shared: Path, count: int) -> dict[str, int] | None:
    """Count the images with the same bipartition as the dense solver, at the published size."""
    if not shared.is_dir() or not count:
        return None
    same = 0
    for tokens in real_features(shared, list(range(1, count + 1))):
        weights = affinity(tokens, TAU)
        ours, theirs = (bipartition(solver(weights)) for solver in SOLVERS.values())
        same += int(torch.equal(ours, theirs))
    return {"images": count, "same bipartition": same}


def measure(weights: list[Tensor], threads: int, folder: Path) -> dict[str, Any]:
    """Return the medians of both solvers over the graphs, and their ratios."""
    runs: dict[str, list[dict[str, Any]]] = {"sod": [], "dense": []}
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    for graph in weights:
        np.save(folder / "graph.npy", graph.numpy())
        for solver, results in runs.items():
            command = [sys.executable, __file__, "--solve", solver, str(folder / "graph.npy")]
            output = subprocess.run(command, env=environment, capture_output=True, check=True)
            results.append(json.loads(output.stdout))
    row: dict[str, Any] = {"tokens": len(weights[0]), "threads": threads}
    for key in ("wall", "cpu", "megabytes"):
        for solver, results in runs.items():
            row[f"{solver}_{key}"] = statistics.median(run[key] for run in results)
        row[f"{key}_ratio"] = row[f"dense_{key}"] / row[f"sod_{key}"]
    pairs = zip(runs["sod"], runs["dense"], strict=True)
    row["same"] = sum(ours["partition"] == theirs["partition"] for ours, theirs in pairs)
    row["graphs"] = len(weights)
    return row


def growth(rows: list[dict[str, Any]], key: str) -> float:
    """Return the exponent of the growth of a time from 475 to 3600 tokens on one thread."""
    times = {row["tokens"]: row[key] for row in rows if row["threads"] == 1}
    return math.log(times[3600] / times[475]) / math.log(3600 / 475)


def main() -> None:
    """Measure all sizes and write the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shared", type=Path, default=ROOT.parent / "shared")
    parser.add_argument("--images", type=int, default=3)
    parser.add_argument("--parity", type=int, default=500)
    parser.add_argument("--solve", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.solve:
        print(json.dumps(solve(options.solve[0], Path(options.solve[1]))))
        return
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for tokens in GRIDS:
            source, weights = graphs(options.shared, options.images, tokens)
            rows += [measure(weights, threads, Path(folder)) for threads in (1, 2)]
    write(source, rows, parity(options.shared, options.parity))


def write(source: str, rows: list[dict[str, Any]], agreement: dict[str, int] | None) -> None:
    """Print the table and write ``results/spectral.{json,md}``."""
    report = {
        "source": source,
        "command": "python benchmarks/spectral.py",
        "hardware": f"{os.cpu_count()} cores, {platform.machine()}",
        "versions": versions(),
        "targets": {str(tokens): target for tokens, target in TARGETS.items()},
        "rows": rows,
        "growth": {solver: growth(rows, f"{solver}_cpu") for solver in SOLVERS},
        "parity": agreement,
    }
    write_results("spectral", _page(report), report)


def _page(report: dict[str, Any]) -> list[str]:
    rows, exponents, agreement = report["rows"], report["growth"], report["parity"]
    lines = [
        "# Normalized-cut eigenvector",
        "",
        "Against `scipy.linalg.eigh(D - W, D, subset_by_index=[1, 1])`, in double precision. "
        f"`{report['command']}`; {report['source']}; medians over {rows[0]['graphs']} graphs; "
        f"{report['hardware']}; {listed(report['versions'])}. Memory is the peak including the "
        "affinity matrix. The threads of the dense solver wait for each other if other processes "
        "use the cores, which increases its time on 2 threads: compare the rows of 1 thread.",
        "",
        "| tokens | threads | wall ms, sod / dense | faster (target) | processor ms, sod / dense "
        "| faster | MB, sod / dense | less | same cut |",
        "|---|---|---|---|---|---|---|---|---|",
        *map(_line, rows),
        "",
        "Processor time grows from 475 to 3600 tokens with the power "
        f"{exponents['sod']:.2f} (sod) and {exponents['dense']:.2f} (dense) of their number.",
    ]
    if agreement:
        lines += [
            "",
            f"Same bipartition as the dense solver on {agreement['same bipartition']} of "
            f"{agreement['images']} ECSSD images at the published size.",
        ]
    return lines


def _line(row: dict[str, Any]) -> str:
    wall, cpu = (
        f"{1e3 * row[f'sod_{k}']:.1f} / {1e3 * row[f'dense_{k}']:.0f}" for k in ("wall", "cpu")
    )
    return (
        f"| {row['tokens']} | {row['threads']} | {wall} | {row['wall_ratio']:.1f}× "
        f"(≥ {TARGETS[row['tokens']]}×) | {cpu} | {row['cpu_ratio']:.1f}× "
        f"| {row['sod_megabytes']:.0f} / {row['dense_megabytes']:.0f} "
        f"| {row['megabytes_ratio']:.1f}× | {row['same']} of {row['graphs']} |"
    )


if __name__ == "__main__":
    main()
