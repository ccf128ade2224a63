"""ConnNet on ECSSD: taught by TokenCut on 0001-0400 without masks, measured on 0401-0500.

    OMP_NUM_THREADS=1 python benchmarks/connnet.py --shared ../shared --out out/connnet

The teacher; both heads with three seeds; trust in pixels and images; and the ceilings, both heads
with the real masks of 0001-0400. What is finished is not run again.
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
CEILING = [
    "--config=configs/connnet_supervised.yaml",
    "--config=benchmarks/connnet_supervised_standin.yaml",
]
HEADS = ("connectivity", "binary")
NO_WORKERS = "--data.num_workers=0"


def split(shared: Path, out: Path, measured: int = 5) -> tuple[Path, Path]:
    """Lay the two parts out as folders of links and return them.

    Args:
        shared: Where ECSSD lies.
        out: Where the links go.
        measured: Which hundred of the images is for measuring, from 1; all others are learnt from.
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
    """Run one command of the program."""
    subprocess.run([sys.executable, "-m", "sod", command, *arguments], check=True)


def measure(out: Path, test: Path, *arguments: str) -> list[dict[str, float | str]]:
    """Evaluate, unless that is done, and return the rows: as it is, and refined."""
    results = out / "metrics.json"
    if not results.is_file():
        refine = ["--refine=none,bilateral", NO_WORKERS]
        sod("evaluate", *arguments, f"--data.test={test}", f"--out={out}", *refine)
    rows: list[dict[str, float | str]] = json.loads(results.read_text(encoding="utf-8"))
    return rows


def student(
    out: Path, train: Path, test: Path, configs: list[str], *options: str
) -> list[dict[str, float | str]]:
    """Train and measure one student."""
    if not (out / "eval" / "metrics.json").is_file():
        sod("fit", *configs, f"--data.train={train}", f"--out={out}", NO_WORKERS, *options)
    return measure(out / "eval", test, *configs, f"--ckpt={out / 'last.ckpt'}", *options)


def students(store: Path) -> dict[str, list[str]]:
    """Return the options of each label-free student."""
    labels = f"--model.labels.store={store}"
    found = {}
    for head in HEADS:
        for seed in range(3):
            chosen = [f"--model.head.kind={head}", f"--seed_everything={seed}"]
            found[f"{head} head, seed {seed}"] = [labels, *chosen]
    for part in ("pixels", "images"):
        name = f"connectivity head, seed 0, trust_{part}"
        found[name] = [labels, f"--model.labels.trust_{part}=true"]
    return found


def main() -> None:
    """Run everything and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shared", type=Path, default=Path("../shared"))
    parser.add_argument("--out", type=Path, default=Path("out/connnet"))
    arguments = parser.parse_args()
    out: Path = arguments.out
    train, test = split(arguments.shared, out)
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
    for name, options in students(store).items():
        folder = out / name.replace(", ", "_").replace(" ", "_")
        found[name] = student(folder, train, test, STUDENT, *options)
    for head in HEADS:
        kind = f"--model.head.kind={head}"
        name = f"{head} head, real masks (ceiling)"
        found[name] = student(out / f"ceiling_{head}", train, test, CEILING, kind)
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
