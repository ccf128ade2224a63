"""Generations on ECSSD: learnt from 0001-0400 without masks, measured on 0401-0500.

    OMP_NUM_THREADS=1 python benchmarks/generations.py --shared ../shared --out out/generations

`--measured 1` measures 0001-0100 instead and learns from the other 400, and so on.
Trains two generations, measures teacher, students and ensembles, and, with the masks that nothing
else has seen, how good the selected pseudo-masks are beside the rejected ones. What is finished is
not done again. An hour on one CPU core at the most.
"""

import argparse
import csv
import json
from math import sqrt
from pathlib import Path
from statistics import mean, pstdev

import torch
from connnet import sod, split

from sod.data.reading import read_mask
from sod.evaluation.saved_maps import read_map

CONFIGS = ["--config=configs/generations.yaml", "--config=benchmarks/generations_standin.yaml"]


def iou(pseudo: Path, mask: Path) -> float:
    """Return the IoU of a pseudo-mask and a mask, both cut at one half."""
    left, right = read_map(pseudo) > 0.5, torch.from_numpy(read_mask(mask)) > 127
    union = (left | right).sum()
    return float((left & right).sum() / union) if union else 1.0


def selection(run: Path, masks: Path) -> dict[str, dict[str, float]]:
    """Return the mean IoU of what each generation learnt from, and of what it rejected."""
    found = {}
    for file in sorted(run.glob("gen*/selection.jsonl")):
        number = int(file.parent.name.removeprefix("gen"))
        labels = run / f"gen{number - 1}" / "labels"
        parts: dict[bool, list[float]] = {True: [], False: []}
        for line in file.read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            name = f"{row['name']}.png"
            parts[row["selected"]].append(iou(labels / name, masks / name))
        found[f"generation {number}"] = {
            name: sum(values) / max(len(values), 1)
            for name, values in (("selected", parts[True]), ("rejected", parts[False]))
        } | {"images": len(parts[True])}
    return found


def table(rows: list[dict[str, float | str]]) -> str:
    """Lay the figures out in Markdown, a line for each contender."""
    plain = [row for row in rows if row["refine"] == "none"]
    refined = {row["method"]: row for row in rows if row["refine"] != "none"}
    head = ["", "IoU", "refined IoU", "max F", "refined max F", "MAE", "images/s", "MiB"]
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    for row in plain:
        other = refined[row["method"]]
        values = [row["iou"], other["iou"], row["max_f"], other["max_f"], row["mae"]]
        speed = 1 / float(row["seconds_per_image"])
        figures = [*(f"{value:.3f}" for value in values), f"{speed:.1f}"]
        lines.append(f"| {row['method']} | {' | '.join(figures)} | {row['peak_memory_mb']:.0f} |")
    return "\n".join(lines) + "\n"


def gains(measured: Path) -> list[str]:
    """Say by how many points of IoU each generation is ahead of the one before, image by image."""
    found: dict[tuple[str, str], dict[str, float]] = {}
    with (measured / "per_image.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            key = (str(row["method"]), str(row["refine"]))
            found.setdefault(key, {})[str(row["name"])] = float(row["iou"])
    lines = []
    for (method, kind), later in found.items():
        generation, _, name = method.partition("-")
        before = found.get((f"gen{int(generation[3:]) - 1}-{name}", kind))
        if before is not None:
            points = [100 * (value - before[image]) for image, value in later.items()]
            error = pstdev(points) / sqrt(len(points))
            lines.append(f"{method} ({kind}): {mean(points):+.2f}, standard error {error:.2f}")
    return lines


def main() -> None:
    """Run everything and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shared", type=Path, default=Path("../shared"))
    parser.add_argument("--out", type=Path, default=Path("out/generations"))
    parser.add_argument("--measured", type=int, default=5, choices=range(1, 6))
    arguments = parser.parse_args()
    out: Path = arguments.out
    train, test = split(arguments.shared, out, arguments.measured)
    run = out / "run"
    if not (run / "last.ckpt").is_file():
        sod("fit", *CONFIGS, f"--data.train={train / 'images'}", f"--out={run}")
    measured = out / "measured"
    refine = "--refine=none,bilateral"
    sod("generations", f"--run={run}", f"--data.test={test}", refine, f"--out={measured}")
    rows = json.loads((measured / "metrics.json").read_text(encoding="utf-8"))
    chosen = json.dumps(selection(run, train / "masks"), indent=2)
    text = "\n".join([table(rows), *gains(measured), "", chosen, ""])
    (out / "table.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
