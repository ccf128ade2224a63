"""ConnNet on ECSSD: trained on TokenCut's pseudo-masks of 0001-0400, measured on 0401-0500.

    OMP_NUM_THREADS=1 python benchmarks/connnet.py --shared ../shared --out out/connnet

Measures the teacher; both heads with three seeds; weights of pixels and of images; and, as upper
bounds, both heads trained on the real masks of 0001-0400. Finished runs are not repeated.
"""

import argparse
import json
from pathlib import Path

from common import Row, metrics_table, sod, split

TEACHER = [
    "--config=configs/tokencut.yaml",
    "--config=benchmarks/standin.yaml",
    "--model.backbone.pos_embed=dino",
]
STUDENT = ["--config=configs/connnet.yaml", "--config=benchmarks/connnet_standin.yaml"]
SUPERVISED = [
    "--config=configs/connnet_supervised.yaml",
    "--config=benchmarks/connnet_supervised_standin.yaml",
]
HEADS = ("connectivity", "binary")
NO_WORKERS = "--data.num_workers=0"


def measure(out: Path, test: Path, *arguments: str) -> list[Row]:
    """Evaluate a method, unless this is done, and return its unrefined and its refined row."""
    results = out / "metrics.json"
    if not results.is_file():
        refine = ["--refine=none,bilateral", NO_WORKERS]
        sod("evaluate", *arguments, f"--data.test={test}", f"--out={out}", *refine)
    rows: list[Row] = json.loads(results.read_text(encoding="utf-8"))
    return rows


def train_and_measure(
    out: Path, train: Path, test: Path, configs: list[str], *options: str
) -> list[Row]:
    """Train and evaluate one network, unless this is done, and return its two rows."""
    if not (out / "eval" / "metrics.json").is_file():
        sod("fit", *configs, f"--data.train={train}", f"--out={out}", NO_WORKERS, *options)
    return measure(out / "eval", test, *configs, f"--ckpt={out / 'last.ckpt'}", *options)


def student_options(store: Path) -> dict[str, list[str]]:
    """Return the options of each label-free student by its name."""
    labels = f"--model.labels.store={store}"
    options = {}
    for head in HEADS:
        for seed in range(3):
            head_options = [f"--model.head.kind={head}", f"--seed_everything={seed}"]
            options[f"{head} head, seed {seed}"] = [labels, *head_options]
    for part in ("pixels", "images"):
        name = f"connectivity head, seed 0, weight_{part}"
        options[name] = [labels, f"--model.labels.weight_{part}=true"]
    return options


def main() -> None:
    """Train and measure everything and write the table."""
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
    results = {"TokenCut, the teacher": measure(out / "teacher", test, *TEACHER)}
    for name, options in student_options(store).items():
        folder = out / name.replace(", ", "_").replace(" ", "_")
        results[name] = train_and_measure(folder, train, test, STUDENT, *options)
    for head in HEADS:
        kind = f"--model.head.kind={head}"
        name = f"{head} head, real masks (ceiling)"
        results[name] = train_and_measure(out / f"ceiling_{head}", train, test, SUPERVISED, kind)
    rows = ((name, plain, refined) for name, (plain, refined) in results.items())
    (out / "table.md").write_text(metrics_table(rows, "s/image"), encoding="utf-8")


if __name__ == "__main__":
    main()
