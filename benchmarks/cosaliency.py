"""IoU of plain and co-salient methods on sets of groups, with and without distractors.

    sod data compose --data.name ../shared/data/CoDUTS --out composed
    python benchmarks/cosaliency.py --sets ../shared/data/CoDUTS composed --out cosaliency.jsonl \
        --cache features --methods TokenCut=configs/tokencut.yaml+benchmarks/standin.yaml \
        CoSaliency=configs/cosaliency.yaml+benchmarks/standin_cosaliency.yaml PEEKABOO=run/last.ckpt

Methods are built from configs or checkpoints, as users do it. Groups are numbered in the order of
their names: the even ones are half A, the odd ones half B. Each finished method and set is a line
per image in the output; started again, it is not measured again. A name such as ``Learned@B``
measures the method on the groups of half B only. ``--every 3`` scores every third image of a group;
plain methods are given these alone, methods that compare images the whole group. With ``--cache``,
methods that compare images share the features of the same frozen backbone, unrounded.
"""

import argparse
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

import sod.methods  # noqa: F401 - registers the methods
from sod.core.configs import is_config
from sod.core.errors import SodError
from sod.data.benchmarks import find_dataset
from sod.data.groups import indices_by_group
from sod.data.reading import read_image_tensor, read_mask
from sod.data.samples import Sample
from sod.engine.building import build_from_checkpoint, build_from_config
from sod.engine.method import Method
from sod.methods.cosaliency import CoSaliency
from sod.refinement.masks import mask_iou


def main() -> None:
    """Measure what is missing, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sets", nargs="+", required=True)
    parser.add_argument("--methods", nargs="*", default=[])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--every", type=int, default=1, help="score every n-th image of a group")
    parser.add_argument("--cache", type=Path, help="folder for features of the frozen backbone")
    options = parser.parse_args()
    for label, _, spec in (method.partition("=") for method in options.methods):
        measure_missing(label, spec, options.sets, options.out, options.cache, options.every)
    print_table(list(read(options.out)))


def measure_missing(
    label: str, spec: str, sets: list[str], out: Path, cache: Path | None = None, every: int = 1
) -> None:
    """Measure a method on the sets that the output has no rows of."""
    torch.set_num_threads(1)
    done = {row["set"] for row in read(out) if row["method"] == label}
    for source in sets:
        if Path(source).name not in done:
            rows = measure(build(spec, cache), label, source, every)
            with out.open("a") as file:
                file.writelines(json.dumps(row) + "\n" for row in rows)


def build(spec: str, cache: Path | None = None) -> Method:
    """Build the method of a config or checkpoint; its frozen features are kept in the cache."""
    made = build_from_config if is_config(spec.partition("+")[0]) else build_from_checkpoint
    method = made(spec).eval()
    if cache is not None and isinstance(method, CoSaliency):
        keep_features(method, cache)
    return method


def measure(method: Method, label: str, source: str, every: int) -> list[dict[str, object]]:
    """Return a row for each scored image of a set, or of the half that the label names."""
    samples = find_dataset(".", source).samples
    half = label.partition("@")[2]
    rows = []
    for number, indices in enumerate(indices_by_group(samples).values()):
        if half in ("", "AB"[number % 2]):
            group = [samples[index] for index in indices]
            given = group if method.reads_groups() else group[::every]
            ious = dict(zip(given, group_ious(method, given), strict=True))
            rows += [
                {"method": label, "set": Path(source).name, "half": "AB"[number % 2]}
                | {"name": sample.name, "iou": ious[sample]}
                for sample in group[::every]
            ]
    return rows


def keep_features(method: CoSaliency, cache: Path) -> None:
    """Let a method compute the features of an image once for all with the same backbone."""
    compute, backbone = method.features, repr(method.config).encode()
    cache.mkdir(parents=True, exist_ok=True)

    def features(image: Tensor) -> Tensor:
        path = cache / f"{hashlib.sha256(backbone + image.numpy().tobytes()).hexdigest()}.pt"
        if not path.is_file():
            torch.save(compute(image).clone(), path)
        stored: Tensor = torch.load(path)
        return stored

    method.features = features  # type: ignore[method-assign]


def group_ious(method: Method, group: list[Sample]) -> list[float]:
    """Return the IoU of each map of a group at one half."""
    images = [read_image_tensor(sample.image) for sample in group]
    with torch.inference_mode():
        maps = method.group_saliency(images)
    return [_iou(map_[0], sample) for map_, sample in zip(maps, group, strict=True)]


def _iou(saliency: Tensor, sample: Sample) -> float:
    if sample.mask is None:
        raise SodError(f"{sample.image}: has no mask to be measured with.")
    return float(mask_iou(saliency > 0.5, torch.from_numpy(read_mask(sample.mask)) > 127))


def read(path: Path) -> Iterator[dict[str, object]]:
    """Yield the rows of an earlier run."""
    if path.is_file():
        yield from map(json.loads, path.read_text().splitlines())


def print_table(rows: list[dict[str, object]]) -> None:
    """Print the mean IoU over the images of both halves and of all, by method and set."""
    print("| method | set | images | IoU | half A | half B |\n|---|---|---|---|---|---|")
    for method, source in dict.fromkeys((row["method"], row["set"]) for row in rows):
        own = [row for row in rows if (row["method"], row["set"]) == (method, source)]
        cells = [mean([r for r in own if r["half"] in half]) for half in ("AB", "A", "B")]
        print(f"| {method} | {source} | {len(own)} | {' | '.join(cells)} |")


def mean(rows: list[dict[str, object]]) -> str:
    """Return the mean IoU of rows, or a dash without rows."""
    values = [float(str(row["iou"])) for row in rows]
    return f"{sum(values) / len(values):.3f}" if values else "–"


if __name__ == "__main__":
    main()
