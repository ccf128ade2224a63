"""ConnNet on ECSSD: taught by TokenCut on 0001-0400 without masks, measured on 0401-0500.

    OMP_NUM_THREADS=1 python benchmarks/connnet.py --shared ../shared --out out/connnet

Both heads with three seeds, the teacher, and the ceiling (the same network with the real masks of
0001-0400). What is finished is not run again. Half an hour on one CPU core at the most.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

TEACHER = [
    "--config=configs/tokencut.yaml",
    "--config=benchmarks/standin.yaml",
    "--model.backbone.pos_embed=dino",
]
STUDENT = ["--config=configs/connnet.yaml", "--config=benchmarks/connnet_standin.yaml"]
NO_WORKERS = "--data.num_workers=0"


def split(shared: Path, out: Path) -> tuple[Path, Path]:
    """Lay the two parts out as folders of links and return them."""
    source = (shared / "data" / "ECSSD").resolve()
    for number in range(1, 501):
        part = out / ("train" if number <= 400 else "test")
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
    """Run one command of the program."""
    subprocess.run([sys.executable, "-m", "sod", command, *arguments], check=True)


def measure(out: Path, test: Path, *arguments: str) -> list[dict[str, float | str]]:
    """Evaluate, unless that is done, and return the rows: as it is, and refined."""
    results = out / "metrics.json"
    if not results.is_file():
        refine = ["--refine=none,bilateral", NO_WORKERS]
        sod("evaluate", f"--data.test={test}", f"--out={out}", *refine, *arguments)
    rows: list[dict[str, float | str]] = json.loads(results.read_text(encoding="utf-8"))
    return rows


def student(
    name: str, out: Path, train: Path, test: Path, *options: str
) -> list[dict[str, float | str]]:
    """Train and measure one student."""
    run = out / name
    if not (run / "eval" / "metrics.json").is_file():
        sod("fit", *STUDENT, f"--data.train={train}", f"--out={run}", NO_WORKERS, *options)
    return measure(run / "eval", test, *STUDENT, f"--ckpt={run / 'last.ckpt'}", *options)


def main() -> None:
    """Run everything and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shared", type=Path, default=Path("../shared"))
    parser.add_argument("--out", type=Path, default=Path("out/connnet"))
    options = parser.parse_args()
    out: Path = options.out
    train, test = split(options.shared, out)
    store = out / "store"
    sod(
        "predict",
        *TEACHER,
        f"--source={train / 'images'}",
        f"--pseudo={store}",
        "--refine=bilateral",
        NO_WORKERS,
    )
    found = {"TokenCut, the teacher": measure(out / "teacher", test, *TEACHER)}
    for head in ("connectivity", "binary"):
        for seed in range(3):
            found[f"{head} head, seed {seed}"] = student(
                f"{head}_{seed}",
                out,
                train,
                test,
                f"--seed_everything={seed}",
                f"--data.seed={seed}",
                f"--model.head.kind={head}",
                f"--model.labels.store={store}",
            )
    real = ["--seed_everything=0", "--model.labels.kind=masks", "--data.supervised=true"]
    found["connectivity head, real masks (ceiling)"] = student("ceiling", out, train, test, *real)
    (out / "table.md").write_text(table(found), encoding="utf-8")


def table(found: dict[str, list[dict[str, float | str]]]) -> str:
    """Lay the figures out in Markdown."""
    head = ["", "IoU", "refined IoU", "max F", "refined max F", "MAE", "s/image", "MiB"]
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    for name, (plain, refined) in found.items():
        values = [plain["iou"], refined["iou"], plain["max_f"], refined["max_f"], plain["mae"]]
        figures = [*(f"{value:.3f}" for value in values), f"{plain['seconds_per_image']:.2f}"]
        lines.append(f"| {name} | {' | '.join(figures)} | {plain['peak_memory_mb']:.0f} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
