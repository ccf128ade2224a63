"""Choices beyond the cut, without masks: what heads see, and how they predict."""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import torch

from sod.nn.backbones.build import BackboneConfig
from sod.spectral.masks import MasksConfig
from sod.tuning.extras import (
    Example,
    FeatureReader,
    best_extras,
    candidate_extras,
    held_out_scores,
)
from sod.tuning.heads import crossed_heads
from sod.tuning.inference import INFERENCES, Inference, inference_scores
from sod.tuning.mask_options import best_option, candidate_options, score_options
from sod.tuning.rating import Progress, Rating, images_of

HEAD_IMAGES = 64
INFERENCE_IMAGES = 32
MARGIN = 0.005
"""Scales or propagation are only changed for a gain above this."""


class HeadChoice(NamedTuple):
    """The features that heads of a backbone see.

    Attributes:
        config: The backbone with the feature that is cut and the extra ones.
        description: The chosen set in words.
        scores: By the description of each set of features, the mean IoU with the refined votes
            about images that the head has not seen.
        examples: The images.
    """

    config: BackboneConfig
    description: str
    scores: dict[str, float]
    examples: list[Example]

    @property
    def score(self) -> float:
        """The score of the chosen set."""
        return self.scores[self.description]


class Choices(NamedTuple):
    """What was chosen beyond the cut.

    Attributes:
        heads: The features that heads see, of each backbone, the chosen one first.
        inference: Scales and propagation of heads.
        inference_scores: The score of each inference.
        option: The option of the initial masks, in words.
        masks: That option.
        mask_scores: The score of each option, by its description.
    """

    heads: list[HeadChoice]
    inference: Inference
    inference_scores: dict[Inference, float]
    option: str
    masks: MasksConfig
    mask_scores: dict[str, float]


def choose(
    ratings: Sequence[Rating], max_tokens: int, device: str, progress: Progress
) -> tuple[Rating, Choices]:
    """Choose one of several backbones, and all that belongs to it.

    Args:
        ratings: The configurations of each backbone on the same images.
        max_tokens: Larger images are resized to at most this number of tokens.
        device: The device of the backbones.
        progress: Shows the progress of a loop.
    """
    limits = (max_tokens, device, progress)
    heads = [choose_extras(rating, *limits) for rating in ratings]
    order = sorted(range(len(heads)), key=lambda number: -heads[number].score)
    rating, heads = ratings[order[0]], [heads[number] for number in order]
    inference, inference_scores = choose_inference(rating, heads[0], *limits)
    mask_scores = score_options(rating, *limits)
    option = best_option(mask_scores)
    masks = candidate_options(rating)[option]
    return rating, Choices(heads, inference, inference_scores, option, masks, mask_scores)


def choose_extras(rating: Rating, max_tokens: int, device: str, progress: Progress) -> HeadChoice:
    """Choose the extra features by light heads that are trained and tested on different images.

    Args:
        rating: The configurations of the backbone.
        max_tokens: As for the cuts.
        device: The device of the backbone.
        progress: Shows the progress of a loop.
    """
    best = rating.best
    base = replace(rating.config, facet=best.tap.facet, block=best.tap.block, extra_features=[])
    sets = candidate_extras(base.name, best.tap, rating.taps)
    names = list(dict.fromkeys(entry for entries in sets.values() for entry in entries))
    reader = FeatureReader(base, names, max_tokens, device)
    kept = range(min(len(rating.samples), HEAD_IMAGES))
    images = images_of([rating.samples[number] for number in kept], progress, "heads")
    targets = [rating.cuts[number].masks[rating.scores.best] for number in kept]
    examples = [
        Example(reader.read(image), target, vote)
        for image, target, vote in zip(images, targets, rating.votes, strict=False)
    ]
    scores = {
        description: _mean(held_out_scores(examples, [str(best.tap), *entries]))
        for description, entries in sets.items()
    }
    description = best_extras(scores)
    return HeadChoice(
        replace(base, extra_features=sets[description]), description, scores, examples
    )


def choose_inference(
    rating: Rating, heads: HeadChoice, max_tokens: int, device: str, progress: Progress
) -> tuple[Inference, dict[Inference, float]]:
    """Choose scales and propagation by the predictions of heads on images they have not seen.

    Args:
        rating: The configurations of the backbone.
        heads: The features that the heads see.
        max_tokens: Larger images are resized to at most this number of tokens.
        device: The device of the backbone.
        progress: Shows the progress of a loop.

    Returns:
        The choice, and the mean IoU with the refined votes by each candidate.
    """
    names = [f"{heads.config.facet}.{heads.config.block}", *heads.config.extra_features]
    features = [torch.cat([each.features[name] for name in names], 1) for each in heads.examples]
    pair = crossed_heads(features, [each.target.flatten() for each in heads.examples])
    reader = FeatureReader(heads.config, heads.config.extra_features, max_tokens, device)
    count = min(len(heads.examples), INFERENCE_IMAGES)
    images = images_of(rating.samples[:count], progress, "inference")
    rows = [
        inference_scores(reader.backbone, pair[number % 2], image, vote, 2 * max_tokens)
        for number, (image, vote) in enumerate(zip(images, rating.votes, strict=False))
    ]
    means = torch.stack(rows).mean(0).tolist()
    scores = dict(zip(INFERENCES, means, strict=True))
    return best_inference(scores), scores


def best_inference(scores: dict[Inference, float]) -> Inference:
    """Return the candidate with the best score, or the plain one if none is clearly better."""
    best = max(scores, key=lambda each: scores[each])
    plain = INFERENCES[0]
    return best if scores[best] > scores[plain] + MARGIN else plain


def _mean(values: torch.Tensor) -> float:
    return float(values.mean())
