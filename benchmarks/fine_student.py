"""One fine student from unlabelled photos, against the same network trained with masks.

    OMP_NUM_THREADS=1 python benchmarks/fine_student.py --shared ../shared --out out/fine

The first teacher is PEEKABOO, trained on 500 photos of DUTS-TR without masks. It labels photos of
DUTS-TR, on which one network with a fine decoder is trained. The same network is trained with the
masks of ECSSD 0001-0400. Both are calibrated without masks on 100 photos of their training, and
measured on ECSSD 0401-0500 and the pairs of DUTS-TE. Finished parts are not repeated.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from common import RESULTS, Row, sod, split

PEEKABOO = ["--config=configs/peekaboo_plus.yaml", "--config=benchmarks/standin_peekaboo.yaml"]
STUDENT = ["--config=benchmarks/student_standin.yaml", "--config=benchmarks/fine_student.yaml"]
PRECISION = "--trainer.precision=32-true"
REFINE = "none,bilateral,adaptive"
MEASURES = {"iou": "IoU", "max_f": "max F", "boundary_iou": "boundary IoU", "mae": "MAE",
            "accuracy": "accuracy"}  # fmt: skip


def main() -> None:
    """Train and measure the parts that are asked for, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shared", type=Path, required=True, help="folder of data and weights")
    parser.add_argument("--out", type=Path, required=True, help="folder of runs and tables")
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2])
    counts = "how many photos of DUTS-TR, with the first seed; the others: 1,500"
    parser.add_argument("--photos", type=int, nargs="*", default=[500, 1500, 5000], help=counts)
    options = parser.parse_args()
    out: Path = options.out
    train, test = split(options.shared, out / "ecssd")
    sets = f"{test},{options.shared / 'data' / 'DUTS-TE'}"
    photos = sorted((options.shared / "data/DUTS-TR/DUTS-TR-Image").resolve().glob("*.jpg"))
    teacher = out / "peekaboo" / "last.ckpt"
    size = ["--data.batch_size=8", "--data.size=288", "--trainer.max_steps=150", PRECISION]
    _fit(out / "peekaboo", [*PEEKABOO, *size], linked(photos, 500, out))
    _measure(teacher, sets)
    masks = ["--model.labels.kind=masks", "--data.supervised=true"]
    for number, seed in enumerate(options.seeds):
        seeded = [*STUDENT, f"--seed_everything={seed}"]
        for count in options.photos if number == 0 else [1500]:
            folder = linked(photos, count, out)
            store = labelled(folder, teacher)
            run = out / f"photos-{count}-seed-{seed}"
            _student(run, [*seeded, f"--model.labels.store={store}"], folder, sets)
        _student(out / f"masks-seed-{seed}", [*seeded, *masks], train, sets)
    lines = _table(out)
    (RESULTS / "fine_student_table.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(lines))


def linked(photos: Sequence[Path], count: int, out: Path) -> Path:
    """Return a folder of links to evenly spaced photos."""
    folder = out / f"photos-{count}"
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        photo = photos[number * len(photos) // count]
        link = folder / photo.name
        if not link.is_symlink():
            link.symlink_to(photo)
    return folder


def labelled(photos: Path, teacher: Path) -> Path:
    """Return a store of the teacher's labels, refined as strongly as suits each."""
    store = photos.with_name(f"labels-{photos.name}")
    sod(
        "predict",
        f"--ckpt={teacher}",
        f"--source={photos}",
        "--refine=adaptive",
        f"--pseudo={store}",
    )
    return store


def _fit(run: Path, words: Sequence[str], train: Path) -> None:
    sod("fit", *words, f"--data.train={train}", f"--out={run}")


def _student(run: Path, words: Sequence[str], train: Path, sets: str) -> None:
    """Train a student, calibrate it on its photos, and measure it."""
    _fit(run, words, train)
    calibrated = run / "calibrated.ckpt"
    if not calibrated.is_file():
        images = train / "images" if (train / "images").is_dir() else train
        sod("calibrate", f"--ckpt={run / 'last.ckpt'}", f"--source={images}", f"--out={calibrated}")
    _measure(calibrated, sets)


def _measure(model: Path, sets: str) -> None:
    measured = model.parent / "measured"
    if not (measured / "metrics.json").is_file():
        what = ["--measures=default,boundary_iou,accuracy", f"--refine={REFINE}"]
        place = [f"--data.test={sets}", "--pictures=false", f"--out={measured}"]
        sod("evaluate", f"--ckpt={model}", *what, *place)


def _table(out: Path) -> list[str]:
    """Return a row for each run, set and refinement."""
    lines = [f"| trained on | set | refined | {' | '.join(MEASURES.values())} |",
             f"|{'---|' * (3 + len(MEASURES))}"]  # fmt: skip
    for file in sorted(out.glob("*/measured/metrics.json")):
        rows: list[Row] = json.loads(file.read_text(encoding="utf-8"))
        for row in rows:
            figures = " | ".join(f"{row[name]:.3f}" for name in MEASURES)
            lines.append(f"| {file.parts[-3]} | {row['dataset']} | {row['refine']} | {figures} |")
    return lines


if __name__ == "__main__":
    main()
