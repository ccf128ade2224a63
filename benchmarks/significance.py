"""Do the statistics keep their promises? Coverage of the intervals and errors of the tests.

    python benchmarks/significance.py [--pairs 1000] [--resamples 1000]

Two methods are simulated on N images: an image has a difficulty that both share, each method adds
noise of its own, and values are clipped to [0, 1], as IoUs are. The truth is the mean over four
million images. Counted is how often the 95 % interval of a mean and of a difference covers it. For
the tests, both methods are two runs of one: their true means are equal. Runs whose mean itself
differs from seed to seed are called different by any test over images; there, three runs of each
are compared as a group.
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from common import RESULTS, write_results
from numpy.random import Generator
from numpy.typing import NDArray

from sod.evaluation.image_results import ImageResults
from sod.evaluation.resampling import bootstrap, interval, p_value, sign_flips
from sod.evaluation.statistics import compare
from sod.metrics import get_protocol
from sod.metrics.functional import Measured

Array = NDArray[np.float64]
PROTOCOL = get_protocol("mean-max")
COUNTS = (50, 100, 500)
SEED_SPREAD = 0.004  # standard deviation of a run's mean IoU over seeds
RUNS = 3


def draw(random: Generator, count: int, gain: float, noise: float, spread: float = 0.0) -> Array:
    """Return IoUs ``[2, N]`` of two methods, the second worse by ``gain`` before clipping."""
    difficulty = random.beta(2.5, 1.2, count)
    own = random.normal(0, [[0.1], [noise]], (2, count)) * (random.random((2, count)) < 0.5)
    shift = np.array([[0.0], [-gain]]) + random.normal(0, spread, (2, 1))
    return np.asarray(np.clip(difficulty + own + shift, 0, 1))


def results(values: Array) -> ImageResults:
    """Return the results of images with these IoUs."""
    count = len(values)
    parts = torch.from_numpy(values).float()[:, None], torch.zeros(count, 0, 255)
    names = tuple(f"{number:05}" for number in range(count))
    return ImageResults(PROTOCOL, ("iou",), names, Measured(*parts, torch.zeros(count, 2, 4)))


def coverage(random: Generator, count: int, pairs: int, resamples: int) -> dict[str, float]:
    """Return how often the intervals of a mean and of a difference cover the truth."""
    truth = draw(random, 4_000_000, 0.02, 0.15).mean(1)
    hits = np.zeros(2)
    for number in range(pairs):
        first, second = (results(part) for part in draw(random, count, 0.02, 0.15))
        samples = [bootstrap(part, resamples, number)[:, 0] for part in (first, second)]
        for place, (found, true) in enumerate(
            [(samples[0], truth[0]), (samples[0] - samples[1], truth[0] - truth[1])]
        ):
            low, high = interval(found, count)
            hits[place] += low <= true <= high
    return {"mean": hits[0] / pairs, "difference": hits[1] / pairs}


def called_different(random: Generator, count: int, pairs: int, resamples: int) -> float:
    """Return how often two runs of one method have p < 0.05."""
    called = 0
    for number in range(pairs):
        values = draw(random, count, 0.0, 0.1)
        flips = sign_flips(*(results(part) for part in values), resamples, number)[:, 0]
        called += p_value(flips, float((values[0] - values[1]).mean())) < 0.05
    return called / pairs


def seeds_called_different(
    random: Generator, count: int, pairs: int, resamples: int, runs: int
) -> float:
    """Return how often runs whose means differ by their seeds have p < 0.05, in groups of runs."""
    called = 0
    for _ in range(pairs):
        methods = {}
        for number in range(runs):
            values = draw(random, count, 0.0, 0.1, SEED_SPREAD)
            for label, part in zip("AB", values, strict=True):
                methods[f"{label}@{number}"] = results(part)
        called += compare({"D": methods}, resamples).pairs[0].p < 0.05
    return called / pairs


def markdown(report: dict[str, Any]) -> list[str]:
    """Return the lines of a Markdown page of the result."""
    lines = [
        "# Intervals and tests over images",
        "",
        f"`{report['command']}`",
        "",
        f"{report['pairs']} simulated pairs of methods for each number of images, "
        f"{report['resamples']} resamples; one thread, {report['seconds']:.0f} s. With "
        f"{report['pairs']} pairs, 95 % has a standard error of "
        f"{100 * np.sqrt(0.95 * 0.05 / report['pairs']):.1f} points. The default of the program is "
        "10,000 resamples.",
        "",
        "| images | interval of a mean covers it | of a difference | two runs of one method called "
        "different |",
        "| ---: | ---: | ---: | ---: |",
    ]
    for count, row in report["images"].items():
        cells = (row["mean"], row["difference"], row["called"])
        lines.append(f"| {count} | " + " | ".join(f"{100 * cell:.1f} %" for cell in cells) + " |")
    single, groups = report["seeds"]["1"], report["seeds"][str(RUNS)]
    return [
        *lines,
        "",
        f"Runs whose mean IoU varies by {SEED_SPREAD} with the seed, on {COUNTS[-1]} images: one "
        f"run against one is called different in {100 * single:.1f} % of the cases, since the two "
        f"networks do differ on these images; {RUNS} runs against {RUNS} (`NAME@SEED`) in "
        f"{100 * groups:.1f} %.",
    ]


def main() -> None:
    """Simulate, count and write the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--pairs", type=int, default=1000)
    parser.add_argument("--resamples", type=int, default=1000)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    random, start = np.random.default_rng(0), time.process_time()
    size = (arguments.pairs, arguments.resamples)
    rows = {
        str(count): coverage(random, count, *size)
        | {"called": called_different(random, count, *size)}
        for count in COUNTS
    }
    few = arguments.pairs // 2, arguments.resamples // 4
    report = {
        "command": f"python benchmarks/significance.py --pairs {arguments.pairs} "
        f"--resamples {arguments.resamples}",
        "pairs": arguments.pairs,
        "resamples": arguments.resamples,
        "images": rows,
        "seeds": {
            str(runs): seeds_called_different(random, COUNTS[-1], *few, runs) for runs in (1, RUNS)
        },
        "seconds": time.process_time() - start,
    }
    write_results("significance", markdown(report), json.loads(json.dumps(report)), arguments.out)


if __name__ == "__main__":
    main()
