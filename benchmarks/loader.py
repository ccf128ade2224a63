"""Throughput of the loader on one CPU core: JPEG of about 400x300 to augmented 224x224.

    python benchmarks/loader.py [--data ECSSD] [--root ../shared/data] [--images 500] [--passes 5]

Reads synthetic scenes written as JPEG if the dataset is absent; the results name the source. Both
wall and processor time are reported, because other processes affect wall time more.
"""

import argparse
import os
import platform
import statistics
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import cv2
import torch
from common import ROOT, write_results
from PIL import Image

from sod.core.errors import SodError
from sod.data.benchmarks import find_dataset
from sod.data.dataset import SaliencyDataset
from sod.data.loader import Loader
from sod.data.pairing import pair
from sod.data.samples import Sample
from sod.data.synthetic import make_scene
from sod.data.transforms import Augmentation, TrainTransform

TARGET = 150  # image and mask pairs per second
CASES = {
    "image and mask, crop + flip + jitter": (Augmentation(), True),
    "image alone, crop + flip + jitter": (Augmentation(), False),
    "image alone, as FOUND and PEEKABOO (rescale 0.1-3, blur)": (
        Augmentation(crop=1.0, rescale=(0.1, 3.0), flip=0.0, jitter=0.0, blur=0.5),
        False,
    ),
}


class Rate(NamedTuple):
    """Images per second of wall time and of processor time."""

    wall: float
    cpu: float


def measure(samples: list[Sample], options: Augmentation, masks: bool, passes: int) -> Rate:
    """Return the median rates over several passes through all samples, without workers."""
    dataset = SaliencyDataset(samples, TrainTransform(224, options), masks)
    loader = Loader(dataset, batch_size=50, training=True)
    rates = []
    for _ in range(passes + 1):
        wall, cpu = time.perf_counter(), time.process_time()
        images = sum(len(batch["samples"]) for batch in loader)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        rates.append(Rate(images / wall, images / cpu))
    warm = rates[1:]  # the first pass fills the disk cache
    return Rate(statistics.median(r.wall for r in warm), statistics.median(r.cpu for r in warm))


def write_samples(folder: Path, count: int) -> list[Sample]:
    """Write synthetic scenes of 400x300 pixels as JPEG with PNG masks."""
    for kind in ("images", "masks"):
        (folder / kind).mkdir()
    for index in range(count):
        image, mask = make_scene(index, (300, 400))
        Image.fromarray(image).save(folder / "images" / f"{index}.jpg", quality=90)
        Image.fromarray(mask).save(folder / "masks" / f"{index}.png")
    return pair(folder / "images", folder / "masks").samples


def samples_of(root: Path, name: str, count: int, temporary: Path) -> tuple[str, list[Sample]]:
    """Return a description and the samples of a dataset, or of synthetic scenes if it is absent."""
    try:
        samples = find_dataset(root, name).samples[:count]
    except SodError:
        return f"{count} synthetic scenes, 400x300 JPEG", write_samples(temporary, count)
    return f"the first {len(samples)} images of {name}, JPEG", samples


def main() -> None:
    """Measure all cases and write the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--data", default="ECSSD")
    parser.add_argument("--images", type=int, default=500)
    parser.add_argument("--passes", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(0)
    with tempfile.TemporaryDirectory() as temporary:
        source, samples = samples_of(options.root, options.data, options.images, Path(temporary))
        rates = {
            case: measure(samples, augmentation, masks, options.passes)
            for case, (augmentation, masks) in CASES.items()
        }
    write(source, rates, options.passes)


def write(source: str, rates: dict[str, Rate], passes: int) -> None:
    """Print the table and write ``results/loader.{json,md}``."""
    load = os.getloadavg()[0]
    lines = [
        "# Loader: images per second, one core, to 224x224",
        "",
        f"Measured on {source}; median of {passes} passes after one warm-up pass; one process, one "
        f"thread; {platform.machine()}. Target: {TARGET} pairs per second. Load average at the "
        f"end: {load:.1f} on {os.cpu_count()} CPUs (wall time means little if the load is higher).",
        "",
        "| case | per second of wall time | per second of processor time |",
        "|---|---|---|",
        *(f"| {case} | {rate.wall:.0f} | {rate.cpu:.0f} |" for case, rate in rates.items()),
    ]
    report = {
        "source": source,
        "passes": passes,
        "load_average": load,
        "target": TARGET,
        "images_per_second": {case: rate._asdict() for case, rate in rates.items()},
    }
    write_results("loader", lines, report)


if __name__ == "__main__":
    main()
