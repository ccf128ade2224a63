"""Memory and start of the commands on very large photos, very long lists and many images.

    OMP_NUM_THREADS=1 python benchmarks/scale.py [--parts lists,series] [--shared ../shared]

Parts: ``series``, the peak memory over more and more small images, of predicting, evaluating and
label writing (centre box); ``photo``, that of one photo of 100 megapixels (TokenCut on the stand-in
weights); ``lists``, the time and memory until the first of a million images is read, from a list,
from a folder, and in a training. Each figure is of a process of its own. Tables of parts that do
not run again are kept.
"""

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

from common import RESULTS, ROOT, listed, versions, write_results
from PIL import Image

LARGE = ["--config=configs/tokencut.yaml", "--config=benchmarks/standin.yaml"]
TRAINED = ["--config=configs/peekaboo.yaml", "--config=benchmarks/standin_peekaboo.yaml"]
SMALL = ["--config=configs/centre_box.yaml"]
ALL = "--output=map,mask,overlay,cutout"
PROBE = """
import os, sys
import sod.data.dataset as dataset
dataset.read_image = lambda *_: os._exit(0)
from sod.cli import main
main(sys.argv[1:])
"""
"""The program until it reads the first image."""


class Cost(NamedTuple):
    """What a process took: peak memory in MiB, seconds of wall time and of processor time."""

    peak: float
    wall: float
    cpu: float


def run(*arguments: str, code: str = "from sod.cli import main; main()") -> Cost:
    """Run the program in a process of its own and return what it took.

    Raises:
        subprocess.CalledProcessError: It failed.
    """
    start = time.perf_counter()
    command = [sys.executable, "-c", code, *arguments]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL) as process:
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return _cost(used, time.perf_counter() - start)


def _cost(used: resource.struct_rusage, wall: float) -> Cost:
    return Cost(used.ru_maxrss / 1024, wall, used.ru_utime + used.ru_stime)


def large_photo(shared: Path, folder: Path) -> dict[str, Cost]:
    """Measure one photo of 12000x8400 pixels as JPEG and as PNG, and of the small original."""
    small = shared.resolve() / "data" / "ECSSD" / "images" / "0001.jpg"
    with Image.open(small) as image:
        large = image.convert("RGB").transpose(Image.Transpose.ROTATE_90).resize((12000, 8400))
    large.save(folder / "photo.jpg", quality=90)
    large.save(folder / "photo.png", compress_level=1)
    del large
    words = ["predict", *LARGE, "--data.num_workers=0", f"--out={folder / 'out'}", ALL]
    jpeg, png = f"--source={folder / 'photo.jpg'}", f"--source={folder / 'photo.png'}"
    return {
        "the original, 267x400": run(*words, f"--source={small}"),
        "JPEG, 12000x8400": run(*words, jpeg),
        "JPEG, 12000x8400, `--refine bilateral`": run(*words, jpeg, "--refine=bilateral"),
        "JPEG, 12000x8400, `--max-side 2048`": run(*words, jpeg, "--max-side=2048"),
        "PNG, 12000x8400": run(*words, png),
    }


def long_list(entries: int, folder: Path) -> dict[str, Cost]:
    """Measure the start of a prediction on many images; they are empty files."""
    photos = _empty_files(folder / "photos", entries)
    names = "".join(f"{photos}/photo_{number:07}.jpg\n" for number in range(entries))
    (folder / "list.txt").write_text(names)
    words = ["predict", *SMALL, "--data.num_workers=0", f"--out={folder / 'out'}", "--output=map"]
    return {
        "1 image": run(*words, f"--source={photos / 'photo_0000000.jpg'}", code=PROBE),
        f"a list of {entries}": run(*words, f"--source=@{folder / 'list.txt'}", code=PROBE),
        f"a folder of {entries}": run(*words, f"--source={photos}", code=PROBE),
    }


def long_training(entries: int, folder: Path) -> dict[str, Cost]:
    """Measure the start of a training of PEEKABOO on many images; they are empty files."""
    one, many = _empty_files(folder / "one", 1), _empty_files(folder / "photos", entries)
    words = ["fit", *TRAINED, "--data.num_workers=0", "--trainer.precision=32-true"]
    return {
        "1 image": run(*words, f"--data.train={one}", f"--out={folder / 'run1'}", code=PROBE),
        f"a folder of {entries}": run(
            *words, f"--data.train={many}", f"--out={folder / 'run'}", code=PROBE
        ),
    }


def _empty_files(folder: Path, count: int) -> Path:
    """Make a folder with so many empty images; one that is there is kept."""
    if not folder.exists():
        folder.mkdir()
        for number in range(count):
            (folder / f"photo_{number:07}.jpg").touch()
    return folder


def series(counts: list[int], folder: Path) -> dict[str, dict[str, Cost]]:
    """Measure the peak memory over more and more images of 160x120 pixels."""
    small = [*SMALL, "--data.num_workers=0"]
    tables: dict[str, dict[str, Cost]] = {"predict": {}, "evaluate": {}, "predict --pseudo": {}}
    for count in counts:
        data, out, row = (
            _photos(folder / f"series{count}", count),
            folder / "out",
            f"{count} images",
        )
        source = f"--source={data / 'images'}"
        tables["predict"][row] = run("predict", *small, f"--out={out / row}", ALL, source)
        results = f"--out={out / f'results {count}'}"
        tables["evaluate"][row] = run("evaluate", *small, f"--data.test={data}", results)
        store = f"--pseudo={out / f'store {count}'}"
        tables["predict --pseudo"][row] = run("predict", *small, store, source)
    return {f"small images, `{name}`, centre box": costs for name, costs in tables.items()}


def _photos(folder: Path, count: int) -> Path:
    """Make a dataset of so many plain images, each with an object in its middle."""
    for kind in ("images", "masks"):
        (folder / kind).mkdir(parents=True)
    mask = Image.new("L", (160, 120))
    mask.paste(255, (40, 30, 120, 90))
    for number in range(count):
        image = Image.new("RGB", (160, 120), (number % 256, 90, 40))
        image.save(folder / "images" / f"{number}.jpg")
        mask.save(folder / "masks" / f"{number}.png")
    return folder


def table(title: str, costs: dict[str, Cost]) -> list[str]:
    """Return the lines of one table; the last column compares with the first row."""
    first = next(iter(costs.values()))
    rows = [
        f"| {name} | {c.peak:.0f} | {c.wall:.1f} | {c.cpu:.1f} | "
        f"{c.peak - first.peak:+.0f} MiB, {c.cpu - first.cpu:+.1f} s |"
        for name, c in costs.items()
    ]
    above = f"above {next(iter(costs))}"
    head = f"| {title} | peak memory, MiB | wall time, s | processor time, s | {above} |"
    return ["", head, "|---|---|---|---|---|", *rows]


def main() -> None:
    """Measure the chosen parts and write ``results/scale.{json,md}``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shared", type=Path, default=ROOT.parent / "shared")
    parser.add_argument("--entries", type=int, default=1_000_000)
    parser.add_argument("--series", default="1,50,5000")
    parser.add_argument("--parts", default="series,photo,lists")
    options = parser.parse_args()
    parts = options.parts.split(",")
    counts = [int(count) for count in options.series.split(",")]
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        if "series" in parts:
            write(series(counts, folder))
        if "photo" in parts:
            write({"one photo, TokenCut": large_photo(options.shared, folder)})
        if "lists" in parts:
            until = "until the first image is read"
            write({f"{until}, `predict`": long_list(options.entries, folder)})
            write({f"{until}, `fit`": long_training(options.entries, folder)})


def write(measured: dict[str, dict[str, Cost]]) -> None:
    """Print the tables and write them, each with its commit and load; others are kept."""
    command = ["git", "rev-parse", "--short", "HEAD"]
    commit = subprocess.check_output(command, cwd=ROOT, text=True).strip()
    tables = _kept_tables()
    for title, costs in measured.items():
        rows = {name: cost._asdict() for name, cost in costs.items()}
        tables[title] = {"commit": commit, "load_average": os.getloadavg()[0], "costs": rows}
    lines = [
        "# Large photos and long lists",
        "",
        f"`OMP_NUM_THREADS=1 python benchmarks/scale.py`; {listed(versions())}; "
        f"{platform.machine()}, {os.cpu_count()} CPUs. The load average is that at the end of a "
        "table (times mean little if it is higher than the CPUs). Peak memory is that of the "
        "process with all libraries. Targets: 2048 MiB for the photo; 1024 MiB above one image and "
        "10 s for the list; a peak that does not grow with the images.",
    ]
    for title, each in tables.items():
        stated = f"{title} ({each['commit']}, load {each['load_average']:.1f})"
        lines += table(stated, {name: Cost(**cost) for name, cost in each["costs"].items()})
    write_results("scale", lines, {"versions": versions(), "tables": tables})


def _kept_tables() -> dict[str, Any]:
    """Return the tables of the last result page."""
    path = RESULTS / "scale.json"
    tables: dict[str, Any] = json.loads(path.read_text()).get("tables", {}) if path.exists() else {}
    return tables


if __name__ == "__main__":
    main()
