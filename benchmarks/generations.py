"""Generations on ECSSD: trained on 0001-0400 without masks, measured on 0401-0500.

    OMP_NUM_THREADS=1 python benchmarks/generations.py --shared ../shared --out out/generations

Trains two generations, measures teacher, students and ensembles, and compares the selected with
the rejected pseudo-masks by the masks of the training images, which are used for nothing else.
`--measured 1` measures on 0001-0100 and trains on the other 400 images, and so on. Finished parts
are not repeated. Takes an hour at most on one CPU core.
"""

import argparse
import csv
import json
from math import sqrt
from pathlib import Path
from statistics import mean, pstdev

from common import Row, iou, metrics_table, sod, split

CONFIGS = ["--config=configs/generations.yaml", "--config=benchmarks/generations_standin.yaml"]


def selection_quality(run: Path, masks: Path) -> dict[str, dict[str, float]]:
    """Return the mean IoU of the selected and of the rejected pseudo-masks, by generation."""
    quality = {}
    for file in sorted(run.glob("gen*/selection.jsonl")):
        number = int(file.parent.name.removeprefix("gen"))
        labels = run / f"gen{number - 1}" / "labels"
        parts: dict[bool, list[float]] = {True: [], False: []}
        for line in file.read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            name = f"{row['name']}.png"
            parts[row["selected"]].append(iou(labels / name, masks / name))
        quality[f"generation {number}"] = {
            name: sum(values) / max(len(values), 1)
            for name, values in (("selected", parts[True]), ("rejected", parts[False]))
        } | {"images": len(parts[True])}
    return quality


def table(rows: list[Row]) -> str:
    """Format the rows of ``metrics.json`` as a Markdown table, a line per method."""
    refined = {row["method"]: row for row in rows if row["refine"] != "none"}
    plain = [row for row in rows if row["refine"] == "none"]
    named = ((str(row["method"]), row, refined[row["method"]]) for row in plain)
    return metrics_table(named, "images/s")


def gains(measured: Path) -> list[str]:
    """Compare each generation with the one before, image by image.

    Returns:
        One line per method and refinement: mean gain of IoU in points, and its standard error.
    """
    scores: dict[tuple[str, str], dict[str, float]] = {}
    with (measured / "per_image.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            key = (str(row["method"]), str(row["refine"]))
            scores.setdefault(key, {})[str(row["name"])] = float(row["iou"])
    lines = []
    for (method, kind), later in scores.items():
        generation, _, name = method.partition("-")
        before = scores.get((f"gen{int(generation[3:]) - 1}-{name}", kind))
        if before is not None:
            points = [100 * (value - before[image]) for image, value in later.items()]
            error = pstdev(points) / sqrt(len(points))
            lines.append(f"{method} ({kind}): {mean(points):+.2f}, standard error {error:.2f}")
    return lines


def main() -> None:
    """Train and measure everything and write the tables."""
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
    quality = json.dumps(selection_quality(run, train / "masks"), indent=2)
    text = "\n".join([table(rows), *gains(measured), "", quality, ""])
    (out / "table.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
