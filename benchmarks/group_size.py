"""Time and memory of co-saliency over the size of a group, the backbone included.

    python benchmarks/group_size.py --images ../shared/data/CoDUTS/image

Each size is measured in a process of its own, with photos resized to 400×300 pixels: the processor
time of one thread after a group of two photos, and how far the peak of the process's memory is
above that of two photos.
"""

import argparse
import resource
import subprocess
import sys
import time
from pathlib import Path

import cv2
import torch

import sod.methods  # noqa: F401 - registers the methods
from sod.data.reading import read_image, to_tensor
from sod.engine.building import build_from_config
from sod.methods.cosaliency import CoSaliency

CONFIG = "configs/cosaliency.yaml+benchmarks/standin_cosaliency.yaml"
SIZES = (5, 10, 20, 50, 100)


def main() -> None:
    """Measure all sizes, or in a process of its own one of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=Path, required=True)
    parser.add_argument("--size", type=int, help="measure this size alone")
    options = parser.parse_args()
    if options.size:
        measure(options.images, options.size)
        return
    print("| photos | CPU seconds | of which comparison | MiB |\n|---|---|---|---|", flush=True)
    for size in SIZES:
        command = [sys.executable, __file__, "--images", str(options.images), "--size", str(size)]
        subprocess.run(command, check=True)


def measure(images: Path, size: int) -> None:
    """Print the row of one size."""
    torch.set_num_threads(1)
    method = build_from_config(CONFIG).eval()
    assert isinstance(method, CoSaliency)  # noqa: S101 - narrows the type
    files = sorted(images.rglob("*.jpg"))[:size]
    photos = [to_tensor(cv2.resize(read_image(file), (400, 300))) for file in files]
    with torch.inference_mode():
        method.group_saliency(photos[:2])
        before, start = peak(), time.process_time()
        method.group_saliency(photos)
        seconds, after = time.process_time() - start, peak()
        start = time.process_time()
        for photo in photos:
            method.features(photo)
        backbone = time.process_time() - start
    print(
        f"| {size} | {seconds:.1f} | {seconds - backbone:.1f} | {after - before:.0f} |", flush=True
    )


def peak() -> float:
    """Return the peak memory of this process, MiB (Linux)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
