"""Candidates of the selection with the estimate that they are ranked by."""

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from sod.core.errors import SodError
from sod.data.samples import Sample
from sod.labels.estimates.grids import Grids, Pixels, read_grids, read_pixels
from sod.labels.estimates.held_out import held_out_scores
from sod.labels.estimates.learned import learned_scores
from sod.labels.selection import Candidate, SelectionConfig, select
from sod.labels.store import LabelStore
from sod.nn.backbones.base import Backbone

SURE = 0.3
"""Share of the images whose pseudo-masks are taken as correct, the best by their product."""


def estimated(
    candidates: Sequence[Candidate],
    config: SelectionConfig,
    samples: Sequence[Sample],
    store: LabelStore,
    backbone: Backbone,
    seed: int,
    pixels: Pixels = read_pixels,
) -> list[Candidate]:
    """Return the candidates with the estimate that ``selection.score`` names.

    Args:
        candidates: One per image.
        config: The rules of the selection; its score is one of ``ESTIMATES``.
        samples: The images, in the same order.
        store: Their pseudo-masks.
        backbone: The frozen backbone, on the device that computes.
        seed: Seed of the network that learns from made errors.
        pixels: Reads an image.

    Raises:
        SodError: There are too few images.
        ImageError: An image or a pseudo-mask cannot be read.
    """
    if len(samples) < 2:
        raise SodError(f"selection.score: {config.score} needs at least two images: use contrast")
    grids = read_grids(samples, store, backbone, pixels)
    scores = scores_of(grids, candidates, config, seed, backbone.mean.device)
    rows = zip(candidates, scores.tolist(), strict=True)
    return [each._replace(estimate=score) for each, score in rows]


def scores_of(
    grids: Grids,
    candidates: Sequence[Candidate],
    config: SelectionConfig,
    seed: int,
    device: torch.device,
) -> Tensor:
    """Return the estimates ``[N]`` in [0, 1]; arguments as of :func:`estimated`."""
    if config.score == "held_out":
        return held_out_scores(grids)
    return learned_scores(grids, surest(candidates, config), seed, device)


def surest(candidates: Sequence[Candidate], config: SelectionConfig) -> list[int]:
    """Return the indices of the surest candidates within the bounds of area and border."""
    least = max(config.least, 1)
    rules = replace(config, keep=SURE, least=least, outside="reject", score="product")
    verdicts = select(candidates, rules)
    return [number for number, each in enumerate(verdicts) if each.reason is None]
