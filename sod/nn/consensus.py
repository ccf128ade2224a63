"""What the images of a group share: agreement of their tokens, from frozen features."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from sod.core.precision import float64_device, full_precision_region
from sod.refinement.masks import components

ROUNDS = 6
"""Rounds of the k-means."""
LEVELS = 25
"""Thresholds that are tried for a group."""


class Segments(NamedTuple):
    """Segments of an image in the space of its tokens.

    Args:
        centres: Unit vectors ``[K, C]``.
        salient: Mean prior saliency of each segment, ``[K]`` in [0, 1].
    """

    centres: Tensor
    salient: Tensor


@full_precision_region
def group_tokens(features: Sequence[Tensor], widths: Sequence[int]) -> list[Tensor]:
    """Return comparable tokens of the images of a group.

    Each of the concatenated features is normalised, then the mean token of the group is subtracted,
    which all images share whatever they show, and the difference is normalised.

    Args:
        features: Per image ``[C, h, w]``.
        widths: Channels of each of the concatenated features, with sum C.

    Returns:
        Per image unit vectors ``[h·w, C]``.
    """
    tokens = [each.float().flatten(1).mT for each in features]
    split = [torch.split(each, list(widths), dim=1) for each in tokens]
    unit = [torch.cat([F.normalize(part, dim=1) for part in parts], 1) for parts in split]
    mean = torch.cat(unit).mean(0) if len(unit) > 1 else unit[0].mean(0)
    return [F.normalize(each - mean, dim=1) for each in unit]


def segment(tokens: Tensor, prior: Tensor, count: int) -> Segments:
    """Divide the tokens of an image by spherical k-means, started from distant tokens.

    Args:
        tokens: Unit vectors ``[N, C]``.
        prior: Prior saliency of each token, ``[N]`` in [0, 1].
        count: Largest number of segments.
    """
    centres = tokens[_distant(tokens, min(count, len(tokens)))]
    for _ in range(ROUNDS):
        nearest = (tokens @ centres.mT).argmax(1)
        centres = F.normalize(torch.zeros_like(centres).index_add_(0, nearest, tokens), dim=1)
    nearest = (tokens @ centres.mT).argmax(1)
    sums = torch.zeros_like(centres[:, 0]).index_add_(0, nearest, prior)
    sizes = torch.zeros_like(sums).index_add_(0, nearest, torch.ones_like(prior))
    return Segments(centres, sums / sizes.clamp(min=1))


def consensus(
    tokens: Sequence[Tensor], segments: Sequence[Segments], background: float, power: float
) -> list[Tensor]:
    """Score each token by what the other images say about the segments nearest to it.

    In every other image, the token is compared with all segments; the largest cosine with a salient
    one, weighted by its saliency, speaks for the token, the largest with a background segment
    speaks against it. The score is the mean over the other images: objects that recur and are
    salient there score high (object frequency), backgrounds that recur and objects of one image
    only score low.

    Args:
        tokens: Per image unit vectors ``[N, C]``.
        segments: Per image.
        background: Weight of the background.
        power: Power of the saliency of a segment relative to the most salient one of its image.

    Returns:
        Per image ``[N]``. The only image of a group is compared with itself.
    """
    weighted = [_weights(each, power) for each in segments]
    scores = []
    for index, own in enumerate(tokens):
        others = [n for n in range(len(tokens)) if n != index] or [index]
        total = torch.zeros_like(own[:, 0])
        for other in others:
            pro, contra = weighted[other]
            cosine = (own @ segments[other].centres.mT).clamp(min=0)
            total += (cosine * pro).amax(1) - background * (cosine * contra).amax(1)
        scores.append(total / len(others))
    return scores


def group_threshold(scores: Sequence[Tensor], least: float = 0.5) -> float:
    """Return the threshold that separates the scores of a group best (Otsu 1979).

    Args:
        scores: Per image ``[N]``.
        least: Smallest share of the tokens that is below it.
    """
    joined = torch.cat(list(scores))
    values = joined.to(float64_device(joined.device)).double()
    ordered = values.sort().values
    places = torch.linspace(least, 0.98, LEVELS, dtype=torch.float64) * (len(ordered) - 1)
    candidates = ordered[places.long().to(ordered.device)]
    best, threshold = -1.0, float(candidates[0])
    for level in candidates.tolist():
        above = values > level
        share = float(above.double().mean())
        if 0 < share < 1:
            gap = float(values[above].mean() - values[~above].mean())
            if share * (1 - share) * gap**2 > best:
                best, threshold = share * (1 - share) * gap**2, level
    return threshold


def centre_prior(grid: tuple[int, int], width: float = 0.6) -> Tensor:
    """Return a Gaussian around the centre of a grid, ``[h, w]``, 1 at the centre.

    Args:
        grid: Rows and columns.
        width: Where it has fallen to 1/e, as a share of half the side.
    """
    rows, columns = (torch.linspace(-1, 1, side) if side > 1 else torch.zeros(1) for side in grid)
    return torch.exp(-((rows[:, None] / width) ** 2 + (columns[None] / width) ** 2))


def foreground_mean(tokens: Tensor, weights: Tensor) -> Tensor:
    """Return the direction of the weighted mean of tokens ``[N, C]``, a unit vector ``[C]``."""
    return F.normalize((tokens * weights[:, None]).sum(0), dim=0)


def drop_strangers(
    logits: Sequence[Tensor], tokens: Sequence[Tensor], similar: float
) -> list[Tensor]:
    """Keep the components of the foregrounds that look like the foreground of the group.

    A component stays if the cosine of its mean token with the mean foreground of the group is at
    least ``similar`` times that of the image's best component (SCoSPARC: 0.77).

    Args:
        logits: Per image ``[h, w]``.
        tokens: Per image unit vectors ``[h·w, C]``.
        similar: In [0, 1]; 0 keeps all.

    Returns:
        Per image ``[h, w]``, with the logits of dropped components below zero.
    """
    weights = [each.flatten().sigmoid() * (each.flatten() > 0) for each in logits]
    means = [foreground_mean(*pair) for pair in zip(tokens, weights, strict=True)]
    group = F.normalize(torch.stack(means).sum(0), dim=0)
    return [
        _without_strangers(each, own, group, similar)
        for each, own in zip(logits, tokens, strict=True)
    ]


def _without_strangers(logits: Tensor, tokens: Tensor, group: Tensor, similar: float) -> Tensor:
    labels = components((logits > 0).cpu()).to(logits.device)
    count = int(labels.max())
    if count < 2:
        return logits
    flat = labels.flatten()
    parts = [foreground_mean(tokens, (flat == n).to(tokens)) @ group for n in range(1, count + 1)]
    likeness = torch.stack(parts)
    strange = (likeness < similar * likeness.max()).nonzero()[:, 0] + 1
    return torch.where(torch.isin(labels, strange), -logits.abs(), logits)


def _distant(tokens: Tensor, count: int) -> list[int]:
    """Return tokens far from each other: first the one farthest from the mean."""
    chosen = [int((tokens @ tokens.mean(0)).argmin())]
    nearest = tokens @ tokens[chosen[0]]
    while len(chosen) < count:
        chosen.append(int(nearest.argmin()))
        nearest = torch.maximum(nearest, tokens @ tokens[chosen[-1]])
    return chosen


def _weights(segments: Segments, power: float) -> tuple[Tensor, Tensor]:
    """Return the weights of the segments as salient ones and as background, each ``[K]``."""
    salient, rest = segments.salient, 1 - segments.salient
    relative = (part / part.max().clamp(min=1e-6) for part in (salient, rest))
    pro, contra = (part.clamp(min=0) ** power for part in relative)
    return pro, contra
