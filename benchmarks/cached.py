"""Trainings on cached features against those without a cache: time and IoU.

    python benchmarks/cached.py --shared ../shared --out out/cached [--parts peekaboo,connnet]
    python benchmarks/cached.py --shared ../shared --out out/cached --time [--parts ...]

PEEKABOO and a ConnNet student on 500 photos of DUTS-TR, and two generations on ECSSD 0001-0400
without masks, each with new views in every epoch and with kept features of one view. Each is
measured on ECSSD 0401-0500. ConnNet's labels are those of the PEEKABOO without a cache, or
`--store`. Finished parts are not repeated; `--time` trains again on an idle machine, for the time
alone. The threads are those of the environment (`OMP_NUM_THREADS`).
"""

import argparse
import json
import os
import resource
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import mean
from typing import Any

from common import RESULTS, Row, conditions, sod, split
from fine_student import PEEKABOO, labelled, linked
from generations import CONFIGS

KEPT = "--data.features.cache=memory"
WAYS = {
    "plain": [],
    "kept": [KEPT, "--data.features.views=1"],
    "half": [KEPT, "--data.features.views=1", "--data.features.half=true"],
    "two": [KEPT, "--data.features.views=2"],
}
PRECISION = "--trainer.precision=32-true"
PHOTOS = 500
PARTS = {
    "peekaboo": [*PEEKABOO, "--data.size=288", "--data.batch_size=8", "--trainer.max_steps=150"],
    "connnet": ["--config=benchmarks/student_standin.yaml", "--model.head.weights.iou=1.0"],
    "generations": CONFIGS,
}

TITLE = [
    "# Trainings on kept features against those without a cache",
    "",
    "`python benchmarks/cached.py --shared ../shared --out out/cached` (one part and way each: "
    "`--parts peekaboo --ways kept`; the time again: `--time`). `plain` draws new views in every "
    "epoch, `kept` computes one view of each image once. Times include start and checkpoints; "
    "wall times mean little where the load exceeds the cores. IoU: unrefined maps of ECSSD "
    "0401-0500 (`test`). A `+` after a commit: with uncommitted changes.",
    "",
]


def main() -> None:
    """Train, time and measure the parts that are asked for, and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shared", type=Path, default=Path("../shared"))
    parser.add_argument("--out", type=Path, default=Path("out/cached"))
    parser.add_argument("--parts", default="peekaboo,connnet,generations")
    parser.add_argument("--ways", default="plain,kept", help=f"of {', '.join(WAYS)}")
    parser.add_argument("--seeds", type=int, nargs="*", default=[0])
    parser.add_argument("--store", type=Path, help="labels of the photos for ConnNet")
    parser.add_argument("--duts", action="store_true", help="measure on DUTS-TE too")
    parser.add_argument("--time", action="store_true", help="train again, for the time alone")
    options = parser.parse_args()
    for part in filter(None, options.parts.split(",")):
        for seed in options.seeds:
            for way in options.ways.split(","):
                run = options.out / f"{part}-{way}-{seed}"
                how = [*_words(part, options), f"--seed_everything={seed}", *WAYS[way]]
                _part(run, how, options)
    lines = [*TITLE, *_table(options.out), ""]
    (RESULTS / "cached.md").write_text("\n".join(lines), encoding="utf-8")
    print("\n".join(lines))


def _words(part: str, options: argparse.Namespace) -> list[str]:
    """Return the options of a training; ConnNet's labels are made where they are missing."""
    train, _ = split(options.shared, options.out / "ecssd")
    if part == "generations":
        return [*PARTS[part], f"--data.train={train / 'images'}"]
    folder = (options.shared / "data/DUTS-TR/DUTS-TR-Image").resolve()
    photos = linked(sorted(folder.glob("*.jpg")), PHOTOS, options.out)
    words = [*PARTS[part], f"--data.train={photos}", "--data.val_images=0", PRECISION]
    if part == "connnet":
        teacher = options.out / f"peekaboo-plain-{options.seeds[0]}" / "last.ckpt"
        words.append(f"--model.labels.store={options.store or labelled(photos, teacher)}")
    return words


def _part(run: Path, words: Sequence[str], options: argparse.Namespace) -> None:
    """Train, unless that is done or only the time is wanted, and measure."""
    timing = run.with_suffix(".time.json")
    if options.time:
        again = run.with_name(f"{run.name}-again")
        shutil.rmtree(again, ignore_errors=True)
        timing.write_text(json.dumps(_timed(again, words)), encoding="utf-8")
        shutil.rmtree(again)
        return
    if not timing.is_file():
        shutil.rmtree(run, ignore_errors=True)
        timing.write_text(json.dumps(_timed(run, words)), encoding="utf-8")
    _, test = split(options.shared, options.out / "ecssd")
    for data in [test, *([options.shared / "data" / "DUTS-TE"] if options.duts else [])]:
        measured = run / f"measured-{data.name}"
        if not (measured / "metrics.json").is_file():
            place = [f"--data.test={data}", "--pictures=false", f"--out={measured}", PRECISION]
            sod("evaluate", f"--ckpt={run / 'last.ckpt'}", *place)


def _timed(run: Path, words: Sequence[str]) -> dict[str, Any]:
    """Train in a new process; return its wall and processor time in seconds, and conditions."""
    before, wall = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    sod("fit", *words, f"--out={run}")
    after, wall = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter() - wall
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    threads = os.environ.get("OMP_NUM_THREADS", "default")
    return {"wall": wall, "processor": used, "threads": threads, "conditions": conditions()}


def _table(out: Path) -> list[str]:
    """Return a row for each training, and the mean of the seeds of each part."""
    lines = [
        "| training | wall s | processor s | threads | load | commit | IoU |",
        f"|{'---|' * 7}",
    ]
    ious: dict[str, list[float]] = {}
    for file in sorted(out.glob("*.time.json")):
        name = file.name.removesuffix(".time.json")
        row = json.loads(file.read_text(encoding="utf-8"))
        found = {}
        for measured in sorted((out / name).glob("measured-*/metrics.json")):
            rows: list[Row] = json.loads(measured.read_text(encoding="utf-8"))
            data = measured.parent.name.removeprefix("measured-")
            found[data] = next(float(each["iou"]) for each in rows if each["refine"] == "none")
            ious.setdefault(f"{name.rpartition('-')[0]}, {data}", []).append(found[data])
        state = row["conditions"]
        commit = f"{state['commit']}{'+' if state['uncommitted_changes'] else ''}"
        figures = ", ".join(f"{data} {value:.4f}" for data, value in found.items())
        lines.append(f"| {name} | {row['wall']:.0f} | {row['processor']:.0f} | {row['threads']} "
                     f"| {state['load_average'][0]} | {commit} | {figures} |")  # fmt: skip
    means = (f"- {name}: {mean(each):.4f} ({len(each)} seeds)" for name, each in ious.items())
    return [*lines, "", *means]


if __name__ == "__main__":
    main()
