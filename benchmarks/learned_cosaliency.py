"""Co-saliency with a learnt projection: trained on half of the groups, measured on the other half.

    python benchmarks/learned_cosaliency.py --sets ../shared/data/CoDUTS composed --cache features

The photos of the first set are trained on, without masks; both sets are measured. The features of
the frozen backbone are computed once, at the photos' own size, and kept in the cache as float16.
Groups are numbered in the order of their names: the even ones are half A, the odd ones half B.
"""

import argparse
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

import sod.methods  # noqa: F401 - registers the methods
from sod.data.benchmarks import find_dataset
from sod.data.groups import indices_by_group
from sod.data.reading import read_image_tensor, read_mask
from sod.data.samples import Sample
from sod.engine.building import build_from_config
from sod.methods.learned_cosaliency import LearnedCoSaliency
from sod.nn.consensus import centre_prior
from sod.refinement.masks import mask_iou

CONFIG = "configs/learned_cosaliency.yaml+benchmarks/standin_learned_cosaliency.yaml"
Groups = list[list[Sample]]


def main() -> None:
    """Train on each half, and print the IoU of the other one before and after."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sets", nargs=2, required=True)
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--images", type=int, default=12, help="images of a group per step")
    options = parser.parse_args()
    torch.set_num_threads(1)
    heads = ["trained on", "measured on", "set", "untrained", "trained", "val/score"]
    print(f"| {' | '.join(heads)} |\n|{'---|' * len(heads)}")
    for half in (0, 1):
        torch.manual_seed(0)
        method = build_from_config(CONFIG)
        if not isinstance(method, LearnedCoSaliency):
            raise TypeError(f"{CONFIG}: is no LearnedCoSaliency")
        sets = [groups(source) for source in options.sets]
        others = [each[1 - half :: 2] for each in sets]
        before = [iou(method, each, options.cache) for each in others]
        score = train(method, sets[0][half::2], options)
        for source, each, old in zip(options.sets, others, before, strict=True):
            new = iou(method, each, options.cache)
            names = f"{'AB'[half]} | {'BA'[half]} | {Path(source).name}"
            print(f"| {names} | {old:.3f} | {new:.3f} | {score} |", flush=True)


def groups(source: str) -> Groups:
    """Return the samples of each group of a set."""
    samples = find_dataset(".", source).samples
    return [[samples[i] for i in indices] for indices in indices_by_group(samples).values()]


def train(method: LearnedCoSaliency, chosen: Groups, options: argparse.Namespace) -> str:
    """Train the projection; keep the weights with the best label-free score of whole groups."""
    optimiser = torch.optim.AdamW(method.projection.parameters(), lr=1e-3, weight_decay=1e-4)
    generator = torch.Generator().manual_seed(0)
    scores: list[float] = []
    kept: dict[str, Tensor] = {}
    for step in range(options.steps + 1):
        if step % 20 == 0:
            scores.append(score(method, chosen, options.cache))
            if scores[-1] == max(scores):
                kept = {k: v.clone() for k, v in method.projection.state_dict().items()}
        group = chosen[step % len(chosen)]
        order = torch.randperm(len(group), generator=generator)[: options.images]
        loss = method.total(
            method.terms(*observed(method, [group[i] for i in order], options.cache))
        )
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    method.projection.load_state_dict(kept)
    return " ".join(f"{value:.3f}" for value in scores)


@torch.no_grad()
def score(method: LearnedCoSaliency, chosen: Groups, cache: Path) -> float:
    """Return one minus the mean loss of whole groups, as ``val/score``."""
    losses = [float(method.total(method.terms(*observed(method, g, cache)))) for g in chosen]
    return 1 - sum(losses) / len(losses)


@torch.no_grad()
def iou(method: LearnedCoSaliency, chosen: Groups, cache: Path) -> float:
    """Return the mean IoU over the images of the groups, at one half."""
    values = []
    for group in chosen:
        logits = method.patch_logits(*observed(method, group, cache))
        for each, sample in zip(logits, group, strict=True):
            mask = torch.from_numpy(read_mask(Path(str(sample.mask)))) > 127
            full = F.interpolate(each[None, None], tuple(mask.shape), mode="bilinear")[0, 0]
            values.append(float(mask_iou(full.sigmoid() > 0.5, mask)))
    return sum(values) / len(values)


def observed(
    method: LearnedCoSaliency, group: list[Sample], cache: Path
) -> tuple[list[Tensor], list[Tensor]]:
    """Return the features and centre priors of the images of a group."""
    features = [cached(method, sample, cache) for sample in group]
    return features, [centre_prior((each.shape[1], each.shape[2])) for each in features]


def cached(method: LearnedCoSaliency, sample: Sample, cache: Path) -> Tensor:
    """Return the features of an image, ``[C, h, w]``, from the cache or computed now."""
    path = cache / sample.image.parents[2].name / f"{sample.name}.pt"
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        features = method.features(read_image_tensor(sample.image))
        torch.save(features.half(), path)
    stored: Tensor = torch.load(path)
    return stored.float()


if __name__ == "__main__":
    main()
