"""The cost of methods around their bare backbones, on the CPU: `make bench` runs it.

    OMP_NUM_THREADS=1 python benchmarks/speed.py [--shared ../shared] [--images 40] [--passes 2]

One process, one thread, the stand-in ViT on real images. All cases are timed in turns, so that
other programs slow each of them alike; ratios of processor time are the result. Writes
results/speed.{md,json,svg}.
"""

import argparse
import logging
import math
import warnings
from pathlib import Path
from typing import Any, NamedTuple

import torch
from common import ROOT, conditions, write_results
from paired import Quartiles, Times, in_turns, milliseconds, ratio
from speed_cases import (
    batch_cases,
    connnet_cases,
    photos,
    step_cases,
    tokencut,
    tokencut_cases,
    window_cases,
)
from speed_growth import Growth, forward_of, over_images, over_pixels, over_tokens, plot
from speed_page import page

TARGETS = {
    "TokenCut, bilateral": 1.25,
    "TokenCut, bilateral, all measures": 1.25,
    "ConnNet, finest: 16": 1.11,
    "ConnNet, finest: 4": 1.11,
    "ConnNet, finest: 4, tapered": 1.11,
    "PEEKABOO step": 1.3,
}
FEW = 2
"""Passes of what takes long."""


class Row(NamedTuple):
    """One case of a table; the first case of each table is what the others are compared with."""

    table: str
    case: str
    cpu_ms: Quartiles
    wall_ms: Quartiles
    cpu_ratio: Quartiles
    wall_ratio: Quartiles
    target: float | None


def rows_of(table: str, times: dict[str, Times]) -> list[Row]:
    """Return the rows of a table."""
    base = next(iter(times.values()))
    return [
        Row(
            table,
            case,
            milliseconds(each.cpu),
            milliseconds(each.wall),
            ratio(each.cpu, base.cpu),
            ratio(each.wall, base.wall),
            TARGETS.get(case),
        )
        for case, each in times.items()
    ]


def measure(shared: Path, images: int, passes: int) -> dict[str, Any]:
    """Measure everything."""
    steps = rows_of("PEEKABOO", in_turns(step_cases(shared), 1, passes + 1))
    with torch.inference_mode():
        found = around_backbones(shared, images, passes)
    return {**found, "rows": [*steps, *found["rows"]]}


def around_backbones(shared: Path, images: int, passes: int) -> dict[str, Any]:
    """Measure what needs no gradients."""
    pictures, method = photos(shared, images), tokencut(shared)
    rows = rows_of("TokenCut", in_turns(tokencut_cases(method, pictures), images, passes))
    half = math.ceil(images / 2)
    student = connnet_cases(shared, pictures[:half])
    rows += rows_of("ConnNet", in_turns(student, half, FEW))
    rows += rows_of("windows", in_turns(window_cases(method, pictures[:half]), 1, FEW))
    for threads in (1, 2):
        torch.set_num_threads(threads)
        name = f"batches, {threads} thread{'s' * (threads > 1)}"
        rows += rows_of(name, in_turns(batch_cases(method), 1, FEW))
    torch.set_num_threads(1)
    grown: list[Growth] = [
        over_images(method, shared, FEW),
        *over_tokens(method, pictures[-1], FEW),
        over_pixels(method, pictures[-1], FEW),
    ]
    return {"rows": rows, "growth": grown, "forward": forward_of(pictures[-1], FEW)}


def main() -> None:
    """Measure and write the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shared", type=Path, default=ROOT.parent / "shared")
    parser.add_argument("--images", type=int, default=40)
    parser.add_argument("--passes", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore", module="pytorch_lightning")
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    start = conditions()
    found = measure(options.shared.resolve(), options.images, options.passes)
    command = f"python benchmarks/speed.py --images {options.images} --passes {options.passes}"
    report: dict[str, Any] = {"command": command, "conditions": start}
    report["load_average_at_the_end"] = conditions()["load_average"]
    report |= {
        "rows": [row._asdict() for row in found["rows"]],
        "growth": [row._asdict() for row in found["growth"]],
        "forward_ms": found["forward"],
        "quartiles": "first quartile, median, third quartile, over images and passes",
    }
    plot(found["growth"])
    write_results("speed", page(report), report)


if __name__ == "__main__":
    main()
