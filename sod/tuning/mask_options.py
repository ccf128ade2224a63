"""Options of the initial masks, each switched on only where it is better without masks."""

from collections.abc import Mapping
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from sod.core.errors import SodError
from sod.nn.backbones.base import Backbone
from sod.nn.backbones.build import BackboneConfig
from sod.nn.initial_masks import build_cut_backbone, initial_masks
from sod.nn.resize import lanczos_resize, saliency_size, working_size
from sod.refinement.masks import mask_iou
from sod.spectral.masks import MasksConfig
from sod.tuning.agreement import plausibility, vote_weights
from sod.tuning.consensus import consensus
from sod.tuning.rating import Progress, Rating, images_of

IMAGES = 24
VOTERS = 4
MARGIN = 0.01
"""An option is only switched on for a gain above this."""


def candidate_options(rating: Rating) -> dict[str, MasksConfig]:
    """Return the options to compare, by a description; the first is the cut alone."""
    options = {
        "the cut alone": MasksConfig(),
        "clean-up": MasksConfig(clean_up=True),
        "selected heads": MasksConfig(select_heads=True),
        "votes of scales": MasksConfig(scales=(1.5, 2.0)),
    }
    voters = [rating.chosen[index] for index in _voters(rating)]
    if voters:
        vote = tuple(f"{voter.tap}@{voter.tau:g}" for voter in voters)
        options["votes of configurations"] = MasksConfig(vote=vote)
    return options


def score_options(
    rating: Rating, max_tokens: int, device: str, progress: Progress
) -> dict[str, float]:
    """Score the options of the initial masks on some of the images.

    Each mask is compared with the refined vote of those configurations whose feature has no part in
    any option, so that no option is its own judge.

    Args:
        rating: The configurations of the backbone.
        max_tokens: Larger images are resized to at most this number of tokens.
        device: The device of the backbone.
        progress: Shows the progress of a loop.

    Returns:
        By the description of each option that the backbone has, the mean over the images of the IoU
        times the share of the border that the mask leaves free.
    """
    options = candidate_options(rating)
    best = rating.best
    config = replace(rating.config, facet=best.tap.facet, block=best.tap.block, extra_features=[])
    backbones = {name: _backbone(config, masks, device) for name, masks in options.items()}
    usable = {name: backbone for name, backbone in backbones.items() if backbone is not None}
    weights = _judges(rating)
    count = min(len(rating.samples), IMAGES)
    places = [number * len(rating.samples) // count for number in range(count)]
    images = images_of([rating.samples[place] for place in places], progress, "masks")
    rows = []
    for place, image in zip(places, images, strict=True):
        judge = consensus(image, rating.cuts[place].masks, weights).mask
        found = [
            mask_of(backbone, image, best.tau, options[name], max_tokens)
            for name, backbone in usable.items()
        ]
        masks = torch.stack(found)
        rows.append(mask_iou(masks, judge, empty=0).float() * plausibility(masks))
    return dict(zip(usable, torch.stack(rows).mean(0).tolist(), strict=True))


def best_option(scores: Mapping[str, float]) -> str:
    """Return the option with the best score, or the cut alone if none is clearly better."""
    alone = next(iter(scores))
    best = max(scores, key=lambda name: scores[name])
    return best if scores[best] > scores[alone] + MARGIN else alone


@torch.inference_mode()
def mask_of(
    backbone: Backbone, image: Tensor, tau: float, masks: MasksConfig, max_tokens: int
) -> Tensor:
    """Return the initial mask of an image, the majority of its votes, bool ``[H, W]``.

    Args:
        backbone: As :func:`sod.nn.initial_masks.build_cut_backbone` builds it.
        image: RGB in [0, 1], ``[3, H, W]``.
        tau: Threshold on the cosine similarity.
        masks: How a cut becomes a mask.
        max_tokens: Larger images are resized to at most this number of tokens.
    """
    size, patch = (image.shape[-2], image.shape[-1]), backbone.patch_size
    votes: list[Tensor] = []
    for scale in (1.0, *masks.scales):
        working = working_size(*size, patch, scale, max_tokens)
        resized = lanczos_resize(image[None], saliency_size(*working, patch))
        found = initial_masks(backbone, resized.to(backbone.mean.device), tau, masks)
        votes += [F.interpolate(each.cpu(), size, mode="nearest") for each in found]
    return torch.stack(votes).mean(0)[0, 0] > 0.5


def _backbone(config: BackboneConfig, masks: MasksConfig, device: str) -> Backbone | None:
    """Return the backbone of an option, or None if it has no such option."""
    try:
        return build_cut_backbone(config, masks).to(device)
    except SodError:
        if masks.select_heads:
            return None
        raise


def _voters(rating: Rating) -> list[int]:
    """Return the best configurations of other features than the best one's, one of each.

    At least one feature is left out, to judge the options by.
    """
    seen = {rating.best.tap}
    voters: list[int] = []
    most = min(VOTERS, len({each.tap for each in rating.chosen}) - 2)
    for index in rating.scores.score.argsort(descending=True, stable=True).tolist():
        tap = rating.chosen[index].tap
        if tap not in seen and len(voters) < most:
            seen.add(tap)
            voters.append(index)
    return voters


def _judges(rating: Rating) -> Tensor:
    """Return the weights of the configurations as judges, 0 for features that an option uses."""
    used = {rating.best.tap, *(rating.chosen[index].tap for index in _voters(rating))}
    free = torch.tensor([float(each.tap not in used) for each in rating.chosen])
    return vote_weights(rating.scores.agreement * free)
