"""What `sod tune` chooses beyond the cut, against the choice with masks, on images of neither.

    OMP_NUM_THREADS=1 python benchmarks/tune_more.py --shared ../shared --out out/tune

Chooses on 64 photos of ECSSD 0001-0400 and measures every candidate on every fourth photo of
ECSSD 0401-0500 and every sixteenth pair of DUTS-TE: IoU of a light head's prediction or of the
initial mask, unrefined. Finished cuts are not repeated.
"""

import argparse
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import torch
from common import RESULTS
from rich.progress import track
from torch import Tensor
from tune import MAX_TOKENS, WEIGHTS, _pairs

from sod.core.files import write_text
from sod.data.reading import read_image_tensor, read_mask
from sod.data.samples import Sample
from sod.nn.backbones.build import BackboneConfig
from sod.nn.initial_masks import build_cut_backbone
from sod.refinement.masks import mask_iou
from sod.tuning.choices import HeadChoice, choose_extras, choose_inference
from sod.tuning.configurations import TAUS
from sod.tuning.consensus import overlaps
from sod.tuning.extras import FeatureReader, candidate_extras, held_out_scores
from sod.tuning.heads import Head, fit_head
from sod.tuning.inference import INFERENCES, inference_scores
from sod.tuning.mask_options import IMAGES, best_option, candidate_options, mask_of, score_options
from sod.tuning.rating import Rating, rate

T = TypeVar("T")
HALF = 32
Table = dict[str, list[float]]


def main() -> None:
    """Run the comparison and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shared", type=Path, required=True, help="folder of data and weights")
    parser.add_argument("--out", type=Path, required=True, help="folder for the cuts")
    arguments = parser.parse_args()
    data, weights = arguments.shared / "data", str(arguments.shared / WEIGHTS)
    ecssd = _pairs(data / "ECSSD/images", data / "ECSSD/ground_truth_mask")
    pool = [ecssd[number] for number in range(400) if number % 5 in (0, 1, 2)]
    drawn = [pool[number * len(pool) // 64] for number in range(64)]
    duts = _pairs(data / "DUTS-TE/DUTS-TE-Image", data / "DUTS-TE/DUTS-TE-Mask")[::16]
    measured = [ecssd[400:500:4], duts]
    config = BackboneConfig("vit_tiny_patch16_224", weights)
    limits = (MAX_TOKENS, "cpu", track_all)
    rating = rate(drawn, arguments.out / "cuts", config, TAUS, *limits)
    heads = choose_extras(rating, *limits)
    lines = [f"The cut: {rating.best}. Light heads are trained on these cuts of all 64 photos.\n"]
    lines += _rows("extra features", heads.scores, extras_table(rating, heads, measured))
    _, scores = choose_inference(rating, heads, *limits)
    labels = {str(inference): score for inference, score in scores.items()}
    lines += _rows("inference", labels, inference_table(rating, heads, measured))
    options = score_options(rating, *limits)
    lines += _rows("initial masks", options, masks_table(rating, list(options), measured))
    lines.append(f"\nSwitched on: {best_option(options)}.")
    write_text(RESULTS / "tune_more.md", "\n".join(lines) + "\n")
    print("\n".join(lines))


def track_all(items: Iterable[T], total: int, description: str) -> Iterator[T]:
    """Show the progress of a loop."""
    return iter(track(items, description, total))


def truth(sample: Sample) -> Tensor:
    """Return the mask of a sample, bool ``[H, W]``."""
    return torch.from_numpy(read_mask(sample.mask or Path())) > 127


def extras_table(rating: Rating, heads: HeadChoice, measured: Sequence[Sequence[Sample]]) -> Table:
    """Return, for each set of features, the IoU on unseen halves and on the measured sets."""
    sets = candidate_extras(rating.config.name, rating.best.tap, rating.taps)
    real = [each._replace(vote=truth(s)) for each, s in zip(heads.examples, rating.samples,
                                                             strict=True)]  # fmt: skip
    union = list(dict.fromkeys(entry for entries in sets.values() for entry in entries))
    reader = FeatureReader(heads.config, union, MAX_TOKENS, "cpu")
    fitted = {name: all_images_head(heads, rating, entries) for name, entries in sets.items()}
    table = {name: [float(held_out_scores(real, [str(rating.best.tap), *entries]).mean())]
             for name, entries in sets.items()}  # fmt: skip
    for samples in measured:
        rows = []
        for sample in track(samples, "extra features"):
            image = read_image_tensor(sample.image)
            features, mask = reader.read(image), truth(sample)
            grid = _grid(image, reader.backbone.patch_size)
            found = [
                fitted[name].logits(
                    torch.cat([features[key] for key in (str(rating.best.tap), *entries)], 1)
                )
                > 0
                for name, entries in sets.items()
            ]
            rows.append(overlaps(torch.stack(found).view(-1, *grid), mask))
        for name, value in zip(sets, torch.stack(rows).mean(0).tolist(), strict=True):
            table[name].append(value)
    return table


def all_images_head(heads: HeadChoice, rating: Rating, extras: Sequence[str]) -> Head:
    """Return the head that is trained on all images with some extra features."""
    names = [str(rating.best.tap), *extras]
    return fit_head(
        torch.cat([torch.cat([e.features[n] for n in names], 1)[::3] for e in heads.examples]),
        torch.cat([each.target.flatten()[::3] for each in heads.examples]),
    )


def inference_table(
    rating: Rating, heads: HeadChoice, measured: Sequence[Sequence[Sample]]
) -> Table:
    """Return, for each inference, the IoU on the images of the choice and the measured sets."""
    head = all_images_head(heads, rating, heads.config.extra_features)
    backbone = FeatureReader(heads.config, heads.config.extra_features, MAX_TOKENS, "cpu").backbone
    columns = []
    for samples in (rating.samples[:HALF], *measured):
        rows = [
            inference_scores(backbone, head, read_image_tensor(s.image), truth(s), 2 * MAX_TOKENS)
            for s in track(samples, "inference")
        ]
        columns.append(torch.stack(rows).mean(0))
    return {str(each): [float(column[n]) for column in columns]
            for n, each in enumerate(INFERENCES)}  # fmt: skip


def masks_table(
    rating: Rating, names: Sequence[str], measured: Sequence[Sequence[Sample]]
) -> Table:
    """Return, for each option of the initial masks, the IoU with the masks of people."""
    options, best = candidate_options(rating), rating.best
    config = BackboneConfig(rating.config.name, rating.config.weights, best.tap.facet,
                            best.tap.block)  # fmt: skip
    backbones = [build_cut_backbone(config, options[name]) for name in names]
    chosen = [rating.samples[number * len(rating.samples) // IMAGES] for number in range(IMAGES)]
    table: Table = {name: [] for name in names}
    for samples in (chosen, *measured):
        rows = []
        for sample in track(samples, "masks"):
            image, mask = read_image_tensor(sample.image), truth(sample)
            found = [
                mask_of(backbone, image, best.tau, options[name], MAX_TOKENS)
                for name, backbone in zip(names, backbones, strict=True)
            ]
            rows.append(mask_iou(torch.stack(found), mask, empty=0).float())
        for name, value in zip(names, torch.stack(rows).mean(0).tolist(), strict=True):
            table[name].append(value)
    return table


def _grid(image: Tensor, patch: int) -> tuple[int, int]:
    height, width = (round(side / patch) for side in image.shape[-2:])
    return height, width


def _rows(kind: str, scores: dict[str, float], table: Table) -> list[str]:
    """Return a table; the best of the column without and of that with masks are marked."""
    free, known = max(scores, key=scores.__getitem__), max(table, key=lambda name: table[name][0])
    lines = [f"\n| {kind} | without masks | with masks | ECSSD 0401–0500 | DUTS-TE |",
             "|---|---|---|---|---|"]  # fmt: skip
    for name, (masks, *others) in table.items():
        first = f"**{scores[name]:.3f}**" if name == free else f"{scores[name]:.3f}"
        second = f"**{masks:.3f}**" if name == known else f"{masks:.3f}"
        figures = " | ".join(f"{value:.3f}" for value in others)
        lines.append(f"| {name} | {first} | {second} | {figures} |")
    return lines


if __name__ == "__main__":
    main()
