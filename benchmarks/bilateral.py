"""Speed of the bilateral solver against its plain scipy.sparse formulation, on the CPU.

    python benchmarks/bilateral.py [--root ../shared/data] [--images 20] [--passes 3] [--threads 1]

The plain formulation is the reference of the tests (tests/helpers/bilateral_oracle.py), solved
image by image and target by target; it is efficient itself (one merged blur matrix, integer keys).
Targets are ground-truth masks at one value per 16 pixels; the second target of an image is the
first one mirrored. Synthetic scenes are used if ECSSD is absent; the results name the source. The
shortest wall and processor times of all passes are reported, because other processes affect wall
time more.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
from pathlib import Path

import numpy as np
import torch
from common import ROOT, Row, listed, shortest, versions, write_results
from PIL import Image
from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate

from sod.core.errors import SodError
from sod.data.benchmarks import find_dataset
from sod.data.reading import to_tensor
from sod.data.synthetic import make_scene
from sod.refinement import BilateralGrid, bilateral_solver
from sod.refinement.adaptive import LAMBDAS, LEAST_CERTAINTY, adaptive_refinement

CROPS = (16, 50)
Pair = tuple[Tensor, Tensor]

sys.path.insert(0, str(ROOT / "tests"))
from helpers import bilateral_oracle as oracle  # noqa: E402


def load(root: Path, count: int) -> tuple[str, list[Pair]]:
    """Return a description, and pairs of image ``[1, 3, H, W]`` and mask ``[1, 1, H, W]``."""
    try:
        samples = find_dataset(root, "ECSSD").samples[:count]
    except SodError:
        scenes = [make_scene(index, (300, 400)) for index in range(count)]
        return f"{count} synthetic scenes, 400x300", [_pair(*scene) for scene in scenes]
    pairs = []
    for sample in samples:
        if sample.mask is not None:
            with Image.open(sample.image) as image, Image.open(sample.mask) as mask:
                pairs.append(_pair(np.array(image.convert("RGB")), np.array(mask.convert("L"))))
    return f"the first {len(pairs)} images of ECSSD", pairs


def _pair(image: np.ndarray, mask: np.ndarray) -> Pair:
    pixels = to_tensor(image)[None]  # laid out as the program reads images
    coarse = torch.from_numpy(mask)[None, None] / 255
    height, width = mask.shape
    coarse = interpolate(coarse, size=(-(-height // 16), -(-width // 16)), mode="area")
    return pixels, interpolate((coarse > 0.5).float(), size=(height, width))


def plain(images: list[Tensor], targets: list[Tensor]) -> list[np.ndarray]:
    """Solve all targets one by one in the plain formulation."""
    return [
        oracle.solve((image[0].double() * 255).round().permute(1, 2, 0).numpy(), target.numpy())
        for image, target_list in zip(images, targets, strict=True)
        for target in target_list[0].double()
    ]


def crops(pairs: list[Pair], count: int) -> Pair:
    """Return images ``[count, 3, 224, 224]`` and targets ``[count, 2, 224, 224]``."""
    chosen = [pairs[index % len(pairs)] for index in range(count)]
    images = torch.cat([interpolate(image, size=(224, 224), mode="area") for image, _ in chosen])
    targets = torch.cat([interpolate(target, size=(224, 224)) for _, target in chosen])
    return (images * 255).round() / 255, torch.cat([targets, targets.flip(-1)], 1)


def compare(case: str, images: list[Tensor], targets: list[Tensor], passes: int) -> Row:
    """Time both formulations on batches ``[B, 3, H, W]`` and compare their results.

    The fast one gets a batch per call, the plain one an image and target. Times are per image.
    """
    singles = [image[None] for batch in images for image in batch]
    single_targets = [target[None] for batch in targets for target in batch]
    slow = shortest(lambda: plain(singles, single_targets), passes)
    fast = shortest(lambda: list(map(bilateral_solver, images, targets)), passes)
    solved = [m.numpy() for t in map(bilateral_solver, images, targets) for m in t.flatten(0, 1)]
    expected = plain(singles, single_targets)
    worst = max(float(abs(a - b.clip(0, 1)).max()) for a, b in zip(solved, expected, strict=True))
    return {**_row(case, slow, fast, len(singles)), "largest_difference": worst}


def compare_adaptive(images: list[Tensor], targets: list[Tensor], passes: int) -> Row:
    """Time the adaptive refinement, and the plain solver with its weights on the same maps.

    The choice between the results is timed with the adaptive refinement alone.
    """
    maps = [avg_pool2d(target, 31, 1, 15) for target in targets]

    confidences = [(2 * each - 1).abs().clamp(min=LEAST_CERTAINTY) for each in maps]

    def solved() -> list[list[np.ndarray]]:
        results = []
        for image, saliency, confidence in zip(images, maps, confidences, strict=True):
            levels = (image[0].double() * 255).round().permute(1, 2, 0).numpy()
            soft, weight = saliency[0, 0].double().numpy(), confidence[0, 0].double().numpy()
            results.append([oracle.solve(levels, soft, weight, lam=lam) for lam in LAMBDAS])
        return results

    smoothed = [
        BilateralGrid(image).solve(saliency, confidence, LAMBDAS)[0].numpy()
        for image, saliency, confidence in zip(images, maps, confidences, strict=True)
    ]
    expected = [np.stack(each).clip(0, 1) for each in solved()]
    row = _row(
        f"adaptive: whole images, a soft target, {len(LAMBDAS)} weights, and the choice",
        shortest(solved, passes),
        shortest(lambda: list(map(adaptive_refinement, images, maps)), passes),
        len(images),
    )
    worst = max(float(abs(a - b).max()) for a, b in zip(smoothed, expected, strict=True))
    return {**row, "largest_difference": worst}


def _row(case: str, slow: tuple[float, float], fast: tuple[float, float], count: int) -> Row:
    """Return the times per image of both formulations, of which each is of all images."""
    return {
        "case": case,
        "threads": torch.get_num_threads(),
        "plain_wall_ms": slow[0] / count,
        "fast_wall_ms": fast[0] / count,
        "plain_cpu_ms": slow[1] / count,
        "fast_cpu_ms": fast[1] / count,
        "ratio_wall": slow[0] / fast[0],
        "ratio_cpu": slow[1] / fast[1],
    }


def measure(pairs: list[Pair], passes: int) -> list[Row]:
    """Time whole images with one target each, batches of crops with two, and `adaptive`."""
    images, targets = map(list, zip(*pairs, strict=True))
    rows = [compare("whole images, one target", images, targets, passes)]
    for count in CROPS:
        batch, two = crops(pairs, count)
        name = f"a batch of {count} crops of 224x224, two targets each"
        rows.append(compare(name, [batch], [two], passes))
    return [*rows, compare_adaptive(images, targets, passes)]


def write(source: str, rows: list[Row], passes: int) -> None:
    """Print the table and write ``results/bilateral.{json,md}``."""
    load_average = os.getloadavg()[0]
    lines = [
        "# Bilateral solver against the plain scipy.sparse formulation, milliseconds per image",
        "",
        f"`python benchmarks/bilateral.py`, on {source}; shortest of {passes} passes after one "
        f"warm-up pass; {platform.machine()}, {os.cpu_count()} CPU cores, {listed(versions())}. "
        f"Load average at the end: {load_average:.1f} (wall time means little if it exceeds the "
        "core count; with several threads processor time means little too: waiting threads count "
        "as busy).",
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
    report = {"source": source, "passes": passes, "load_average": load_average, **versions()}
    write_results("bilateral", lines, {**report, "rows": rows})


def main() -> None:
    """Measure each number of threads in its own process: libraries read it when they start."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--images", type=int, default=20)
    parser.add_argument("--passes", type=int, default=3)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--measure", action="store_true", help="measure in this process and print")
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
