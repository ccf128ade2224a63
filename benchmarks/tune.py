"""`sod tune` against the choice with masks: IoU of both on images that neither has seen.

    OMP_NUM_THREADS=1 python benchmarks/tune.py --shared ../shared --out out/tune

Cuts photos by all configurations of the supervised stand-in weights, chooses among them on draws
of 16, 32 and 64 photos of ECSSD 0001-0400 or DUTS-TR, and measures each choice on ECSSD 0401-0500
and every second pair of DUTS-TE. Finished cuts are not repeated. The weights of the vote are those
of the whole pool from which the draws are taken, so that each photo is refined once.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import torch
from common import RESULTS
from rich.progress import track
from torch import Tensor

from sod.core.files import write_text
from sod.data.reading import read_image_tensor, read_mask
from sod.data.samples import Sample, discover_images
from sod.nn.backbones.build import BackboneConfig, build_with_every_tap
from sod.tuning.agreement import agreement_scores, plausibility, vote_weights
from sod.tuning.configurations import TAUS, Configuration, configurations
from sod.tuning.consensus import consensus, overlaps
from sod.tuning.cuts import ImageCuts
from sod.tuning.rating import cut_settings
from sod.tuning.report import published_index
from sod.tuning.scores import beaten_shares, feature_indices, robust_scores
from sod.tuning.store import CutStore

DRAWS = 5
MAX_TOKENS = 1600
SIZES = (16, 32, 64)
WEIGHTS = "weights/vit_tiny_patch16_224.safetensors"


def main() -> None:
    """Run the comparison and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shared", type=Path, required=True, help="folder of data and weights")
    parser.add_argument("--out", type=Path, required=True, help="folder for the cuts")
    arguments = parser.parse_args()
    data, weights = arguments.shared / "data", str(arguments.shared / WEIGHTS)
    config = BackboneConfig("vit_tiny_patch16_224", weights)
    backbone, taps = build_with_every_tap(config)
    chosen = configurations(taps, TAUS)
    store = CutStore(arguments.out / "cuts", cut_settings(backbone, config, TAUS, MAX_TOKENS))

    def cut(samples: Sequence[Sample]) -> list[ImageCuts]:
        results = store.fill(samples, backbone, TAUS, MAX_TOKENS)
        return [cuts for _, cuts in track(results, total=len(samples)) if not isinstance(cuts, str)]

    ecssd = _pairs(data / "ECSSD/images", data / "ECSSD/ground_truth_mask")
    duts = _pairs(data / "DUTS-TE/DUTS-TE-Image", data / "DUTS-TE/DUTS-TE-Mask")[::2]
    train = _pairs(data / "DUTS-TR/DUTS-TR-Image", None)[::40]
    pool = [ecssd[number] for number in range(400) if number % 5 in (0, 1, 2)]
    measured = {
        "ECSSD 0401–0500": _truth(ecssd[400:500], cut(ecssd[400:500])).mean(0),
        "DUTS-TE, every second": _truth(duts, cut(duts)).mean(0),
    }
    cuts = cut(pool)
    features = feature_indices(chosen)
    truth = _truth(pool, cuts)
    ranks = {
        f"ECSSD, {len(pool)} of 0001–0400": _ranks(pool, cuts, features),
        f"DUTS-TR, {len(train)}": _ranks(train, cut(train), features),
    }
    lines = ["| chosen on | draws of | " + " | ".join(measured) + " |", "|---|---|---|---|"]
    for name, values in measured.items():
        best, published = int(values.argmax()), published_index(chosen)
        lines.insert(0, f"{name}: the best, {chosen[best]}, has IoU {values[best]:.3f}; the "
                        f"published choice {values[published]:.3f}.\n")  # fmt: skip
    for kind, table in {**ranks, "the ECSSD draws, **with masks**": truth}.items():
        for size in SIZES:
            cells = [_losses(table, size, values, chosen) for values in measured.values()]
            lines.append(f"| {kind} | {size} | {' | '.join(cells)} |")
    write_text(RESULTS / "tune_choices.md", "\n".join(lines) + "\n")
    print("\n".join(lines))


def _pairs(images: Path, masks: Path | None) -> list[Sample]:
    files = discover_images(images)
    return [Sample(file.stem, file, masks and masks / f"{file.stem}.png") for file in files]


def _truth(samples: Sequence[Sample], cuts: Sequence[ImageCuts]) -> Tensor:
    """Return the IoU of each photo's cuts with its mask, ``[n, K]``."""
    masks = [torch.from_numpy(read_mask(s.mask)) > 127 for s in samples if s.mask]
    pairs = zip(cuts, masks, strict=True)
    return torch.stack([overlaps(each.masks, mask) for each, mask in pairs])


def _ranks(samples: Sequence[Sample], cuts: Sequence[ImageCuts], features: Tensor) -> Tensor:
    """Return the share of configurations that each one beats, by photo, ``[n, K]``."""
    plausible = [plausibility(each.masks) for each in cuts]
    weights = vote_weights(agreement_scores((each.masks for each in cuts), plausible, features))
    rows = []
    for sample, each, free in track(list(zip(samples, cuts, plausible, strict=True))):
        image = read_image_tensor(sample.image)
        rows.append(beaten_shares(consensus(image, each.masks, weights).overlap * free))
    return torch.stack(rows)


def _losses(table: Tensor, size: int, values: Tensor, chosen: Sequence[Configuration]) -> str:
    """Return how far the choices of five draws are below the best, and their mean."""
    generator = torch.Generator().manual_seed(0)
    losses = []
    for _ in range(DRAWS):
        drawn = torch.randperm(len(table), generator=generator)[:size]
        losses.append(float(values.max() - values[robust_scores(table[drawn], chosen).argmax()]))
    listed = ", ".join(f"{loss:.3f}" for loss in losses)
    return f"{listed}; mean {sum(losses) / DRAWS:.3f}"


if __name__ == "__main__":
    main()
