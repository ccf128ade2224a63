"""Scores of all configurations on some images, without masks."""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from sod.refinement.masks import border_pixels
from sod.tuning.agreement import agreement_scores, plausibility, vote_weights
from sod.tuning.configurations import Configuration
from sod.tuning.consensus import consensus
from sod.tuning.cuts import ImageCuts


class Scores(NamedTuple):
    """Label-free figures of each configuration, means over the images, each ``[K]``.

    Attributes:
        score: The share of configurations whose cut of an image is worse, see
            :func:`robust_scores`. Cuts are compared by their IoU with the refined vote, times the
            plausibility of the cut. Unlike the IoU itself, the share counts every image alike,
            however hard it is.
        consensus: IoU with the refined vote of all configurations.
        agreement: IoU with the cuts of other features, which count by their own score.
        border: Share of the border that is foreground.
        area: Share of the image that is foreground.
    """

    score: Tensor
    consensus: Tensor
    agreement: Tensor
    border: Tensor
    area: Tensor

    @property
    def best(self) -> int:
        """Index of the configuration with the highest score, the first of equal ones."""
        return int(self.score.argmax())

    @property
    def median(self) -> int:
        """Index of the configuration in the middle of the ranking."""
        return int(self.score.argsort(stable=True)[len(self.score) // 2])


def feature_indices(chosen: Sequence[Configuration]) -> Tensor:
    """Return the index of the feature of each configuration, ``[K]``."""
    known = {tap: index for index, tap in enumerate(dict.fromkeys(c.tap for c in chosen))}
    return torch.tensor([known[configuration.tap] for configuration in chosen])


def score_configurations(
    chosen: Sequence[Configuration],
    cuts: Sequence[ImageCuts],
    images: Callable[[], Iterable[Tensor]],
) -> tuple[Scores, list[Tensor]]:
    """Score configurations by the consensus of all of them.

    First, configurations are rated by their agreement with each other. These ratings are their
    weights in a vote on each image. The refined result stands for the mask that nobody has: the
    cuts of an image are ranked by their overlap with it.

    Args:
        chosen: The configurations.
        cuts: Of each image, the cuts of all configurations.
        images: Returns the same images, RGB in [0, 1], ``[3, H, W]`` each, one after the other.

    Returns:
        The scores, and the refined vote about each image, bool ``[H, W]``.
    """
    plausible = [plausibility(each.masks) for each in cuts]
    agreement = agreement_scores((each.masks for each in cuts), plausible, feature_indices(chosen))
    weights = vote_weights(agreement)
    pairs = zip(images(), cuts, strict=True)
    agreed = [consensus(image, each.masks, weights) for image, each in pairs]
    overlap = torch.stack([each.overlap for each in agreed])
    areas = torch.stack([each.masks.flatten(1).float().mean(1) for each in cuts])
    free = torch.stack(plausible)
    border = torch.stack([border_pixels(each.masks).float().mean(1) for each in cuts])
    shares = torch.stack([beaten_shares(cut) for cut in overlap * free])
    score = robust_scores(shares, chosen)
    scores = Scores(score, overlap.mean(0), agreement, border.mean(0), areas.mean(0))
    return scores, [each.mask for each in agreed]


def robust_scores(shares: Tensor, chosen: Sequence[Configuration]) -> Tensor:
    """Return the scores of configurations from the shares that they beat on each image.

    The quarter of the images on which a configuration does worst is left out: there the vote itself
    is often wrong. Then each score is averaged with those of the blocks before and after, at the
    same facet and threshold, which count half: features change slowly from block to block, but the
    scores of a few images scatter.

    Args:
        shares: ``[n, K]`` in [0, 1].
        chosen: The K configurations.

    Returns:
        ``[K]`` in [0, 1].
    """
    means = shares.sort(dim=0).values[len(shares) // 4 :].mean(0)
    blocks = torch.tensor([each.tap.block for each in chosen])
    kinds = [(each.tap.facet, each.tau) for each in chosen]
    alike = torch.tensor([[left == right for left in kinds] for right in kinds])
    distance = (blocks[:, None] - blocks).abs()
    weights = alike * (1 - distance / 2).clamp(min=0)
    return weights @ means / weights.sum(1)


def beaten_shares(values: Tensor) -> Tensor:
    """Return, for each of the values ``[K]``, the share of the others that are below it."""
    return (values[:, None] > values).float().sum(1) / max(len(values) - 1, 1)
