"""Losses of co-saliency without masks (SCoSPARC, Chakraborty et al., ECCV 2024)."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor


def shared_maps(
    tokens: Sequence[Tensor], centre: float = 0.65, softness: float = 0.15
) -> list[Tensor]:
    """Return how much each token resembles those of the other images of its group.

    The score of a token is its mean cosine with all tokens of the other images, scaled to 0..1
    within its image; the map is ``σ((score − centre) / softness)``.

    Args:
        tokens: Per image ``[N, C]``, of at least two images.
        centre: Score that gives one half; published: 0.65.
        softness: Width of the sigmoid; published: 0.15.

    Returns:
        Per image ``[N]`` in [0, 1].
    """
    unit = [F.normalize(each, dim=1) for each in tokens]
    sums, counts = [each.sum(0) for each in unit], [len(each) for each in unit]
    total, number = torch.stack(sums).sum(0), sum(counts)
    maps = []
    for each, own, count in zip(unit, sums, counts, strict=True):
        score = each @ ((total - own) / max(number - count, 1))
        scaled = (score - score.min()) / (score.max() - score.min()).clamp(min=1e-6)
        maps.append(torch.sigmoid((scaled - centre) / softness))
    return maps


def pair_loss(tokens: Sequence[Tensor], maps: Sequence[Tensor]) -> Tensor:
    """Return the contrast of foregrounds over the pairs of a group.

    With the mean foreground f and background b of an image's raw tokens, and cosines, the loss of
    a pair is ``P / (P + N)`` with ``P = exp(1 − cos(f_i, f_j))`` and
    ``N = exp(1 − cos(f_i, b_i) − cos(f_j, b_j))``: foregrounds are alike, and unlike backgrounds.

    Args:
        tokens: Per image ``[N, C]``.
        maps: Per image ``[N]`` in [0, 1].

    Returns:
        Scalar in (0, 1), the mean over the pairs; 0.5, without gradient, for fewer than two images.
    """
    if len(tokens) < 2:
        return maps[0].sum() * 0 + 0.5
    fore, back = foregrounds(tokens, maps)
    alike, own = fore @ fore.mT, (fore * back).sum(1)
    first, second = torch.triu_indices(len(fore), len(fore), 1, device=fore.device)
    positive = torch.exp(1 - alike[first, second])
    negative = torch.exp(1 - own[first] - own[second])
    return (positive / (positive + negative)).mean()


def contrast_loss(
    tokens: Sequence[Tensor], maps: Sequence[Tensor], weights: Tensor, temperature: float = 0.1
) -> Tensor:
    """Return how far foregrounds are from each other, relative to the backgrounds of the group.

    InfoNCE (van den Oord et al., 2018): among the mean foregrounds of the other images and the mean
    backgrounds of all, each image's mean foreground has to find the foregrounds. A pair counts with
    the product of its weights.

    Args:
        tokens: Per image unit vectors ``[N, C]``, of the space that is learnt.
        maps: Per image ``[N]`` in [0, 1]: the foreground.
        weights: Trust in the map of each image, ``[B]`` in [0, 1].
        temperature: Divides the cosines.

    Returns:
        Scalar above log(B - 1); 0, without gradient, for fewer than two images.
    """
    if len(tokens) < 2:
        return tokens[0].sum() * 0
    fore, back = foregrounds(tokens, maps)
    itself = torch.eye(len(fore), dtype=torch.bool, device=fore.device)
    alike = (fore @ fore.mT / temperature).masked_fill(itself, float("-inf"))
    every = torch.cat([alike, fore @ back.mT / temperature], 1).logsumexp(1, keepdim=True)
    pairs = (weights[:, None] * weights).masked_fill(itself, 0)
    surprise = (every - alike).masked_fill(itself, 0)
    return (surprise * pairs).sum() / pairs.sum().clamp(min=1e-6)


def foregrounds(tokens: Sequence[Tensor], maps: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Return the directions of the mean foreground and background of each image, ``[B, C]``."""
    fore = [_mean(*pair) for pair in zip(tokens, maps, strict=True)]
    back = [_mean(each, 1 - map_) for each, map_ in zip(tokens, maps, strict=True)]
    return torch.stack(fore), torch.stack(back)


def agreement_loss(maps: Sequence[Tensor], priors: Sequence[Tensor]) -> Tensor:
    """Return ``1 − mean(map · prior)`` over all tokens of the images, each ``[N]`` in [0, 1]."""
    return 1 - torch.stack([(m * p).mean() for m, p in zip(maps, priors, strict=True)]).mean()


def _mean(tokens: Tensor, weights: Tensor) -> Tensor:
    return F.normalize((tokens * weights[:, None]).sum(0), dim=0)
