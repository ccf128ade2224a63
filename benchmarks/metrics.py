"""Speed and agreement of all measures of one map, compared with PySODMetrics.

    python benchmarks/metrics.py [--images 20] [--repeats 5] [--cases 2000]

The timed masks are those of ECSSD (0001, 0002, ... in $SOD_SHARED or ../shared) resized to 400x300,
or ellipses if that folder is absent; the predictions are the masks, blurred and with noise. Both
libraries are timed alternately on the same arrays with one thread. The time of a part is the
shortest processor time of its repeats, which other processes hardly affect. Agreement is measured
on random maps and masks of random sizes, degenerate ones among them.
"""

import argparse
import os
import platform
import sys
import time
import warnings
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from common import RESULTS, ROOT, listed, write_results
from numpy.typing import NDArray
from PIL import Image

from sod.metrics import CATALOGUE, GROUPS, MEASURES, get_protocol, measure
from sod.metrics.functional import summarise

sys.path.insert(0, str(ROOT / "tests"))
from helpers.metric_cases import maps, masks
from helpers.pysod_oracle import PARTS, camouflage, everything

Picture = NDArray[np.uint8]
SIZE = (400, 300)
PYSOD = get_protocol("pysod")
CAMOUFLAGE = "camouflage_context"
OWN = {"boundary IoU": ("boundary_iou",), "boundary F": ("boundary_f",)}


def pairs(count: int) -> tuple[str, list[tuple[Picture, Picture]]]:
    """Return a description of the masks, and pairs of map and mask."""
    random = np.random.default_rng(0)
    folder = Path(os.environ.get("SOD_SHARED", ROOT.parent / "shared"))
    paths = sorted((folder / "data" / "ECSSD" / "ground_truth_mask").glob("*.png"))[:count]
    shapes = [np.array(Image.open(path).convert("L").resize(SIZE, 0)) for path in paths]
    source = f"{len(shapes)} ECSSD masks"
    if not shapes:
        source, shapes = f"{count} ellipses", [_ellipse(random) for _ in range(count)]
    examples = []
    for mask in shapes:
        soft = cv2.GaussianBlur(mask.astype(np.float64), (0, 0), 6)
        noisy = 0.7 * soft + 70 * random.random(mask.shape)
        examples.append((noisy.clip(0, 255).astype(np.uint8), mask))
    return source, examples


def _ellipse(random: np.random.Generator) -> Picture:
    centre = tuple(int(x) for x in random.integers(80, 220, 2))
    axes = tuple(int(x) for x in random.integers(30, 90, 2))
    return cv2.ellipse(np.zeros(SIZE[::-1], np.uint8), centre, axes, 20, 0, 360, 255, -1)


def ours(
    picture: Picture, mask: Picture, names: tuple[str, ...], photo: Picture | None = None
) -> dict[str, float]:
    """Return measures of this project under the protocol `pysod`."""
    saliency = torch.from_numpy(picture).float() / 255
    colours = None if photo is None else torch.from_numpy(photo).permute(2, 0, 1).float() / 255
    found = measure(saliency, torch.from_numpy(mask), PYSOD, names=names, colours=colours)
    return dict(zip(names, summarise(found, PYSOD, names).tolist(), strict=True))


def cases(count: int) -> Iterator[tuple[Picture, Picture, Picture]]:
    """Yield random maps, masks and photos; every kind of map and mask of the tests among them."""
    random = np.random.default_rng(7)
    for number in range(count):
        size = (int(random.integers(17, 48)), int(random.integers(17, 48)))
        kinds = list(masks(size, random).values())
        mask = kinds[number % len(kinds)]
        if number % 3 == 0:
            smooth = cv2.GaussianBlur(random.random(size), (0, 0), float(random.uniform(1, 6)))
            mask = np.where(smooth > np.quantile(smooth, random.uniform(0.3, 0.95)), 255, 0)
            mask = mask.astype(np.uint8)
        drawn = list(maps(mask, random).values())
        picture = drawn[number % len(drawn)]
        if number % 4:  # few grey levels: MSIoU of PySODMetrics takes a quarter of a second else
            picture = np.asarray(picture // 24 * 25, np.uint8)
        yield picture, mask, random.integers(0, 256, (*size, 3), dtype=np.uint8)


def agreement(count: int) -> dict[str, tuple[float, int]]:
    """Return the largest difference of each measure, and the number of maps it was compared on."""
    largest: dict[str, tuple[float, int]] = {}
    for picture, mask, photo in cases(count):
        expected = everything(picture, mask, photo)
        own = ours(picture, mask, GROUPS["all"], photo)
        for name, value in expected.items():
            before, number = largest.get(name, (0.0, 0))
            largest[name] = max(before, abs(own[name] - value)), number + 1
    return largest


def timings(examples: list[tuple[Picture, Picture]], repeats: int) -> dict[str, Any]:
    """Time both libraries alternately, part by part, in milliseconds per map."""
    random = np.random.default_rng(3)
    photo = random.integers(0, 256, (*SIZE[::-1], 3), dtype=np.uint8)
    parts = {name: (part, tuple(part(*examples[0]))) for name, part in PARTS.items()}
    parts["context, camouflage"] = (lambda p, m: camouflage(p, m, photo), (CAMOUFLAGE,))
    result = {name: _both(examples, repeats, *part, photo) for name, part in parts.items()}
    for name, names in OWN.items():
        result[name] = {"sod": _shortest(examples, repeats, names), "pysodmetrics": None}
    shared = tuple(dict.fromkeys(name for _, names in parts.values() for name in names))
    cheap = tuple(name for name in shared if name != CAMOUFLAGE)
    total = sum(part["pysodmetrics"] for key, part in result.items() if key in PARTS)
    everyone = f"all of these but camouflage, {len(cheap)} measures, in one call"
    result[everyone] = {"sod": _shortest(examples, repeats, cheap), "pysodmetrics": total}
    default = f"the {len(MEASURES)} default measures, in one call"
    result[default] = {"sod": _shortest(examples, repeats, MEASURES), "pysodmetrics": None}
    return result


def _both(
    examples: list[tuple[Picture, Picture]],
    repeats: int,
    part: Any,  # noqa: ANN401 - a function of map and mask
    names: tuple[str, ...],
    photo: Picture,
) -> dict[str, float]:
    used = examples if names != (CAMOUFLAGE,) else examples[:3]
    theirs, own = [], []
    for picture, mask in used:
        first, second = [], []
        for _ in range(repeats):
            first.append(_seconds(part, picture, mask))
            second.append(_seconds(ours, picture, mask, names, photo))
        theirs.append(min(first))
        own.append(min(second))
    return {"sod": 1e3 * float(np.mean(own)), "pysodmetrics": 1e3 * float(np.mean(theirs))}


def _shortest(
    examples: list[tuple[Picture, Picture]], repeats: int, names: tuple[str, ...]
) -> float:
    times = [min(_seconds(ours, *pair, names) for _ in range(repeats)) for pair in examples]
    return 1e3 * float(np.mean(times))


def _seconds(function: Any, *arguments: Any) -> float:  # noqa: ANN401
    start = time.process_time()
    function(*arguments)
    return time.process_time() - start


def markdown(result: dict[str, Any]) -> list[str]:
    """Return the lines of a Markdown page of the result."""
    differences = result["largest_differences"]
    above = {name: value for name, value in differences.items() if value[0] > 1e-9}
    fewer = {name: value[1] for name, value in differences.items() if value[1] < result["cases"]}
    return [
        "# All measures of one map",
        "",
        f"`{result['command']}`",
        "",
        f"{result['hardware']}; {result['versions']}. {result['source']} at {SIZE[0]}×{SIZE[1]}, "
        f"protocol `pysod`; processor time, the mean over maps of the shortest of "
        f"{result['repeats']} runs. A part that is asked for alone includes reading and preparing "
        "the map.",
        "",
        "| part | sod, ms | PySODMetrics, ms | faster |",
        "| --- | ---: | ---: | ---: |",
        *(_line(name, part) for name, part in result["milliseconds"].items()),
        "",
        f"Agreement on {result['cases']} random maps of 17–47 pixels a side, a seventh of the "
        f"masks empty and a seventh full: of {len(differences)} measures, "
        f"{len(differences) - len(above)} differ by at most 1e-9"
        + ("" if above else f" (the largest difference is {_largest(differences):.1e})")
        + ".",
        *(f"- {name}: {value[0]:.1e}" for name, value in above.items()),
        "",
        "Not compared where PySODMetrics fails or returns NaN: "
        + ", ".join(f"{name} ({result['cases'] - count})" for name, count in fewer.items())
        + ". They are size-invariant measures of full masks, siMAE where the boxes cover the "
        "image, and S of empty quadrants.",
    ]


def _largest(differences: dict[str, tuple[float, int]]) -> float:
    return max(value for value, _ in differences.values())


def _line(name: str, part: dict[str, float | None]) -> str:
    own, theirs = part["sod"] or 0.0, part["pysodmetrics"]
    if theirs is None:
        return f"| {name} | {own:.2f} | – | – |"
    return f"| {name} | {own:.2f} | {theirs:.2f} | **{theirs / own:.1f}×** |"


def main() -> None:
    """Compare both libraries and write the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--images", type=int, default=20)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--cases", type=int, default=2000)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    warnings.simplefilter("ignore")
    source, examples = pairs(arguments.images)
    packages = ("torch", "numpy", "scipy", "opencv-python-headless", "pysodmetrics")
    result = {
        "command": f"python benchmarks/metrics.py --images {arguments.images} "
        f"--repeats {arguments.repeats} --cases {arguments.cases}",
        "hardware": f"{os.cpu_count()}-core {platform.machine()} CPU, one thread",
        "versions": listed({name: version(name) for name in packages}),
        "source": source,
        "repeats": arguments.repeats,
        "cases": arguments.cases,
        "measures": len(CATALOGUE),
        "milliseconds": timings(examples, arguments.repeats),
        "largest_differences": agreement(arguments.cases),
    }
    write_results("metrics", markdown(result), result, arguments.out)


if __name__ == "__main__":
    main()
