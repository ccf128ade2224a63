"""Memory and start of `sod predict` on very large photos and very long lists.

    OMP_NUM_THREADS=1 python benchmarks/scale.py [--shared ../shared] [--series 50,200,800]

Measures the peak memory of one photo of 100 megapixels (TokenCut on the stand-in weights), the time
and memory until the first of a million images is read, from a list and from a folder, and the peak
memory over series of small images (centre box). Each figure is of a process of its own.
"""

import argparse
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from common import ROOT, listed, versions, write_results
from PIL import Image

LARGE = ["--config=configs/tokencut.yaml", "--config=benchmarks/standin.yaml"]
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
    """Measure the start with many images; those after the first one are empty files."""
    photos = folder / "photos"
    photos.mkdir()
    for number in range(entries):
        (photos / f"photo_{number:07}.jpg").touch()
    names = "".join(f"{photos}/photo_{number:07}.jpg\n" for number in range(entries))
    (folder / "list.txt").write_text(names)
    words = ["predict", *SMALL, "--data.num_workers=0", f"--out={folder / 'out'}", "--output=map"]
    return {
        "1 image": run(*words, f"--source={photos / 'photo_0000000.jpg'}", code=PROBE),
        f"a list of {entries}": run(*words, f"--source=@{folder / 'list.txt'}", code=PROBE),
        f"a folder of {entries}": run(*words, f"--source={photos}", code=PROBE),
    }


def series(counts: list[int], folder: Path) -> dict[str, Cost]:
    """Measure the peak memory over more and more images of 160x120 pixels."""
    costs = {}
    for count in counts:
        photos = folder / f"series{count}"
        photos.mkdir()
        for number in range(count):
            Image.new("RGB", (160, 120), (number % 256, 90, 40)).save(photos / f"{number}.jpg")
        words = [*SMALL, "--data.num_workers=0", f"--out={folder / f'out{count}'}", ALL]
        costs[f"{count} images"] = run("predict", *words, f"--source={photos}")
    return costs


def table(title: str, costs: dict[str, Cost]) -> list[str]:
    """Return the lines of one table."""
    rows = [f"| {name} | {c.peak:.0f} | {c.wall:.1f} | {c.cpu:.1f} |" for name, c in costs.items()]
    head = f"| {title} | peak memory, MiB | wall time, s | processor time, s |"
    return ["", head, "|---|---|---|---|", *rows]


def main() -> None:
    """Measure everything and write ``results/scale.{json,md}``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shared", type=Path, default=ROOT.parent / "shared")
    parser.add_argument("--entries", type=int, default=1_000_000)
    parser.add_argument("--series", default="50,200,800")
    options = parser.parse_args()
    counts = [int(count) for count in options.series.split(",")]
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        costs = {"small images, centre box": series(counts, folder)}
        write(costs)
        costs["one photo, TokenCut"] = large_photo(options.shared, folder)
        write(costs)
        costs["until the first image is read"] = long_list(options.entries, folder)
        write(costs)


def write(costs: dict[str, dict[str, Cost]]) -> None:
    """Print the tables and write them with the commit and the conditions."""
    command = ["git", "rev-parse", "--short", "HEAD"]
    commit = subprocess.check_output(command, cwd=ROOT, text=True).strip()
    load = os.getloadavg()[0]
    lines = [
        "# Large photos and long lists",
        "",
        f"`OMP_NUM_THREADS=1 python benchmarks/scale.py`, commit {commit}; {listed(versions())}; "
        f"{platform.machine()}, {os.cpu_count()} CPUs. Load average at the end: {load:.1f} (wall "
        "time means little if it is higher than the CPUs). Peak memory is that of the process "
        "with all libraries. Targets: 2048 MiB for the photo; 1024 MiB above one image and 10 s "
        "for the list; a peak that does not grow with the images.",
    ]
    for title, each in costs.items():
        lines += table(title, each)
    report = {
        "commit": commit,
        "versions": versions(),
        "load_average": load,
        "costs": {
            title: {name: cost._asdict() for name, cost in each.items()}
            for title, each in costs.items()
        },
    }
    write_results("scale", lines, report)


if __name__ == "__main__":
    main()
