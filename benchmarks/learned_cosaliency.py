"""Co-saliency with a learnt projection: trained on half of the groups, measured on the other half.

    python benchmarks/learned_cosaliency.py --sets ../shared/data/CoDUTS composed --out learned \
        --name learned
    python benchmarks/learned_cosaliency.py --sets ../shared/data/CoDUTS composed --out learned \
        --name labels-2 --options --data.supervised true --model.labelled 2

Groups are numbered in the order of their names: the even ones are half A, the odd ones half B. Each
half of the first set is trained on with `sod fit`, and ``benchmarks/cosaliency.py`` measures the
checkpoint on the other half of all sets. What has been measured is not made again, and a training
that was interrupted goes on.
"""

import argparse
from pathlib import Path

import common
import cosaliency

CONFIGS = ("configs/learned_cosaliency.yaml", "benchmarks/standin_learned_cosaliency.yaml")


def main() -> None:
    """Train on each half, and print the IoU of the other one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sets", nargs="+", required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--name", required=True, help="name of the run in the table")
    parser.add_argument("--cache", type=Path, help="as of benchmarks/cosaliency.py")
    parser.add_argument("--options", nargs=argparse.REMAINDER, default=[], help="of sod fit")
    options = parser.parse_args()
    rows = options.out / "rows.jsonl"
    for half, other in ("AB", "BA"):
        label, run = f"{options.name}@{other}", options.out / f"{options.name}-{half}"
        if label not in {row["method"] for row in cosaliency.read(rows)}:
            train = link_half(Path(options.sets[0]), options.out / f"half{half}", half)
            configs = [word for config in CONFIGS for word in ("--config", config)]
            arguments = ["--data.train", str(train), "--out", str(run), *options.options]
            common.sod("fit", *configs, *arguments)
        cosaliency.measure_missing(label, str(run / "best.ckpt"), options.sets, rows, options.cache)
    cosaliency.print_table(list(cosaliency.read(rows)))


def link_half(source: Path, out: Path, half: str) -> Path:
    """Link the groups of one half of a set with the folders ``image`` and ``gt``."""
    names = sorted(folder.name for folder in (source / "image").iterdir())
    for name in names["AB".index(half) :: 2]:
        for kind in ("image", "gt"):
            link = out / kind / name
            link.parent.mkdir(parents=True, exist_ok=True)
            if not link.is_symlink():
                link.symlink_to((source / kind / name).resolve())
    return out


if __name__ == "__main__":
    main()
