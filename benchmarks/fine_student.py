"""One fine student from unlabelled photos, against the same network trained with masks.

    OMP_NUM_THREADS=1 python benchmarks/fine_student.py --shared ../shared --out out/fine

The first teacher is PEEKABOO, trained on 500 photos of DUTS-TR without masks. It labels photos of
DUTS-TR, on which one network with a fine decoder is trained. The same network is trained with the
masks of ECSSD 0001-0400. Both are calibrated without masks on 100 photos of their training, and
measured on ECSSD 0401-0500 and the pairs of DUTS-TE. Finished parts are not repeated.

`--select held_out` trains on the half of the labels that students of the other half agree with.
`--teachers RUN,...` lets students of earlier runs label the photos, combined, instead of PEEKABOO.
`--trial` measures on ECSSD 0001-0400 alone, where options are chosen.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from common import RESULTS, Row, sod, split

PEEKABOO = ["--config=configs/peekaboo_plus.yaml", "--config=benchmarks/standin_peekaboo.yaml"]
STUDENT = ["--config=benchmarks/student_standin.yaml", "--config=benchmarks/fine_student.yaml"]
MASKS = ["--model.labels.kind=masks", "--data.supervised=true"]
SELECT = {
    "all": [],
    "held_out": ["--model.labels.selection.score=held_out", "--model.labels.selection.keep=0.5"],
}
BACKBONE = {"name": "vit_tiny_patch16_224", "facet": "value", "block": 6, "pos_embed": "timm",
            "weights": "../shared/weights/vit_tiny_patch16_224.safetensors"}  # fmt: skip
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
    counts = "how many photos of DUTS-TR; with seeds after the first only the first number"
    parser.add_argument("--photos", type=int, nargs="*", default=[1500, 500, 5000], help=counts)
    parser.add_argument("--select", choices=["all", "held_out"], default="all")
    parser.add_argument("--teachers", help="runs in --out, comma-separated, instead of PEEKABOO")
    parser.add_argument("--steps", type=int, default=250)
    parser.add_argument("--also", nargs="*", default=[], help="further options, as KEY=VALUE")
    parser.add_argument("--named", default="", help="what they are called in the names of runs")
    parser.add_argument("--masks", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--trial", action="store_true", help="measure on ECSSD 0001-0400 alone")
    options = parser.parse_args()
    out: Path = options.out
    train, test = split(options.shared, out / "ecssd")
    sets = str(train) if options.trial else f"{test},{options.shared / 'data' / 'DUTS-TE'}"
    photos = sorted((options.shared / "data/DUTS-TR/DUTS-TR-Image").resolve().glob("*.jpg"))
    teacher = _peekaboo(photos, out, sets)
    if options.teachers:
        teacher = _combined(out, options.teachers.split(","))
    for number, seed in enumerate(options.seeds):
        seeded = [*STUDENT, f"--seed_everything={seed}", f"--trainer.max_steps={options.steps}"]
        seeded += [f"--{each}" for each in options.also]
        for count in options.photos if number == 0 else options.photos[:1]:
            folder = linked(photos, count, out)
            store = f"--model.labels.store={labelled(folder, teacher, options.teachers)}"
            run = out / _name(options, count, seed)
            _student(run, [*seeded, store, *SELECT[options.select]], folder, sets)
        if options.masks:
            _student(out / f"masks-seed-{seed}", [*seeded, *MASKS], train, sets)
    lines = _table(out)
    (RESULTS / "fine_student_table.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(lines))


def _peekaboo(photos: Sequence[Path], out: Path, sets: str) -> Path:
    """Return the trained first teacher."""
    size = ["--data.batch_size=8", "--data.size=288", "--trainer.max_steps=150", PRECISION]
    _fit(out / "peekaboo", [*PEEKABOO, *size], linked(photos, 500, out))
    teacher = out / "peekaboo" / "last.ckpt"
    _measure(teacher, sets)
    return teacher


def _combined(out: Path, runs: Sequence[str]) -> Path:
    """Return a checkpoint of an earlier run, or a config that combines those of several."""
    ckpts = [str(out / run / "calibrated.ckpt") for run in runs]
    if len(ckpts) == 1:
        return Path(ckpts[0])
    config = out / f"combined-{'-'.join(runs)}.yaml"
    model = {"class_path": "Generations", "init_args": {"backbone": BACKBONE, "teachers": ckpts}}
    config.write_text(json.dumps({"model": model}), encoding="utf-8")
    return config


def _name(options: argparse.Namespace, count: int, seed: int) -> str:
    """Return the name of a student's run."""
    parts = [f"photos-{count}", *filter(None, [options.named])]
    if options.select != "all":
        parts.append(options.select)
    if options.steps != 250:
        parts.append(f"steps-{options.steps}")
    if options.teachers:
        parts.append(f"by-{options.teachers.replace(',', '-')}")
    return "-".join([*parts, f"seed-{seed}"])


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


def labelled(photos: Path, teacher: Path, teachers: str | None = None) -> Path:
    """Return a store of the teacher's labels, refined as strongly as suits each."""
    by = f"-by-{teachers.replace(',', '-')}" if teachers else ""
    store = photos.with_name(f"labels-{photos.name}{by}")
    model = f"--ckpt={teacher}" if teacher.suffix == ".ckpt" else f"--config={teacher}"
    sod("predict", model, f"--source={photos}", "--refine=adaptive", f"--pseudo={store}")
    return store


def _fit(run: Path, words: Sequence[str], train: Path) -> None:
    if not (run / "last.ckpt").is_file():
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
    """Measure a model; on the images of choices (one set), unrefined."""
    trial = "," not in sets
    measured = model.parent / ("trial" if trial else "measured")
    if not (measured / "metrics.json").is_file():
        refine = "none" if trial else REFINE
        what = ["--measures=default,boundary_iou,accuracy", f"--refine={refine}"]
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
