"""How much faster the bilateral solver is than its plain scipy.sparse formulation, on the CPU.

python benchmarks/bilateral.py [--root ../shared/data] [--images 20] [--passes 3] [--threads 1 2]

The plain formulation is the oracle of the tests (tests/bilateral_oracle.py), image by image and
target by target; it is itself written with care (one merged blur matrix, integer keys). Targets are
true masks at one value per 16 pixels, and for a second target the same, mirrored. Without ECSSD,
scenes drawn by the project are used, and the results say so. Wall time suffers from other processes
on the machine, processor time hardly does: both are given, the shortest of all passes.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import scipy
import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import interpolate

from sod.core.errors import SodError
from sod.data.benchmarks import find_dataset
from sod.data.synthetic import make_scene
from sod.refine import bilateral_solver

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"
CROPS = (16, 50)
Pair = tuple[Tensor, Tensor]
Row = dict[str, str | float]

sys.path.insert(0, str(ROOT / "tests"))
import bilateral_oracle as oracle  # noqa: E402


def load(root: Path, count: int) -> tuple[str, list[Pair]]:
    """Return what is measured on: images ``[1, 3, H, W]`` and rough masks ``[1, 1, H, W]``."""
    try:
        samples = find_dataset(root, "ECSSD").samples[:count]
    except SodError:
        scenes = [make_scene(index, (300, 400)) for index in range(count)]
        return f"{count} scenes drawn by the project, 400x300", [_pair(*scene) for scene in scenes]
    pairs = []
    for sample in samples:
        if sample.mask is not None:
            with Image.open(sample.image) as image, Image.open(sample.mask) as mask:
                pairs.append(_pair(np.array(image.convert("RGB")), np.array(mask.convert("L"))))
    return f"the first {len(pairs)} images of ECSSD", pairs


def _pair(image: np.ndarray, mask: np.ndarray) -> Pair:
    pixels = torch.from_numpy(image).permute(2, 0, 1)[None] / 255
    rough = torch.from_numpy(mask)[None, None] / 255
    height, width = mask.shape
    rough = interpolate(rough, size=(-(-height // 16), -(-width // 16)), mode="area")
    return pixels, interpolate((rough > 0.5).float(), size=(height, width))


def plain(images: list[Tensor], targets: list[Tensor]) -> list[np.ndarray]:
    """Solve one after the other, in the plain formulation."""
    return [
        oracle.solve((image[0].double() * 255).round().permute(1, 2, 0).numpy(), target.numpy())
        for image, target_list in zip(images, targets, strict=True)
        for target in target_list[0].double()
    ]


def crops(pairs: list[Pair], count: int) -> Pair:
    """Return images ``[count, 3, 224, 224]`` and two targets of each."""
    chosen = [pairs[index % len(pairs)] for index in range(count)]
    images = torch.cat([interpolate(image, size=(224, 224), mode="area") for image, _ in chosen])
    targets = torch.cat([interpolate(target, size=(224, 224)) for _, target in chosen])
    return (images * 255).round() / 255, torch.cat([targets, targets.flip(-1)], 1)


def shortest(function: Callable[[], object], passes: int) -> tuple[float, float]:
    """Return the shortest wall and processor times in milliseconds."""
    times = []
    for _ in range(passes + 1):
        wall, cpu = time.perf_counter(), time.process_time()
        function()
        times.append((time.perf_counter() - wall, time.process_time() - cpu))
    walls, cpus = zip(*times[1:], strict=True)
    return 1000 * min(walls), 1000 * min(cpus)


def compare(case: str, images: list[Tensor], targets: list[Tensor], passes: int) -> Row:
    """Time both formulations on images ``[b, 3, H, W]``, a call for each, and compare results."""
    ones = [image[None] for batch in images for image in batch]
    ones_targets = [target[None] for batch in targets for target in batch]
    slow = shortest(lambda: plain(ones, ones_targets), passes)
    fast = shortest(lambda: list(map(bilateral_solver, images, targets)), passes)
    solved = [m.numpy() for t in map(bilateral_solver, images, targets) for m in t.flatten(0, 1)]
    wanted = plain(ones, ones_targets)
    worst = max(float(abs(a - b.clip(0, 1)).max()) for a, b in zip(solved, wanted, strict=True))
    count = len(ones)
    return {
        "case": case,
        "threads": torch.get_num_threads(),
        "plain_wall_ms": slow[0] / count,
        "fast_wall_ms": fast[0] / count,
        "plain_cpu_ms": slow[1] / count,
        "fast_cpu_ms": fast[1] / count,
        "ratio_wall": slow[0] / fast[0],
        "ratio_cpu": slow[1] / fast[1],
        "largest_difference": worst,
    }


def measure(pairs: list[Pair], passes: int) -> list[Row]:
    """Measure whole images with one target, and batches of crops with two."""
    images, targets = map(list, zip(*pairs, strict=True))
    rows = [compare("whole images, one target", images, targets, passes)]
    for count in CROPS:
        batch, two = crops(pairs, count)
        name = f"a batch of {count} crops of 224x224, two targets each"
        rows.append(compare(name, [batch], [two], passes))
    return rows


def write(source: str, rows: list[Row], passes: int) -> None:
    """Print the table and write ``results/bilateral.{json,md}``."""
    load_average = os.getloadavg()[0]
    versions = {"torch": torch.__version__, "scipy": scipy.__version__, "numpy": np.__version__}
    lines = [
        "# Bilateral solver against the plain scipy.sparse formulation, milliseconds per image",
        "",
        f"`python benchmarks/bilateral.py`, on {source}; shortest of {passes} passes after a first "
        f"one; {platform.machine()}, {os.cpu_count()} CPU cores, "
        f"{', '.join(f'{name} {version}' for name, version in versions.items())}. Load average at "
        f"the end: {load_average:.1f} (wall time means little where it is above the core count; "
        "with several threads processor time does neither: waiting threads count as busy).",
        "",
        "| case | threads | plain, wall | ours, wall | plain, CPU | ours, CPU | times faster, wall "
        "| times faster, CPU | largest difference |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    form = (
        "| {case} | {threads} | {plain_wall_ms:.1f} | {fast_wall_ms:.1f} | {plain_cpu_ms:.1f} "
        "| {fast_cpu_ms:.1f} | {ratio_wall:.1f} | {ratio_cpu:.1f} | {largest_difference:.0e} |"
    )
    lines += [form.format(**row) for row in rows]
    report = {"source": source, "passes": passes, "load_average": load_average, **versions}
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "bilateral.md").write_text("\n".join(lines) + "\n")
    (RESULTS / "bilateral.json").write_text(json.dumps({**report, "rows": rows}, indent=2) + "\n")
    print("\n".join(lines))


def main() -> None:
    """Measure in one process for each number of threads, as libraries read it when they start."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--images", type=int, default=20)
    parser.add_argument("--passes", type=int, default=3)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--measure", action="store_true", help="print the rows of this process")
    options = parser.parse_args()
    source, pairs = load(options.root, options.images)
    if options.measure:
        print(json.dumps(measure(pairs, options.passes)))
        return
    rows: list[Row] = []
    for threads in options.threads:
        environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
        command = [sys.executable, __file__, *sys.argv[1:], "--measure"]
        run = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True)
        rows += json.loads(run.stdout)
    write(source, rows, options.passes)


if __name__ == "__main__":
    main()
