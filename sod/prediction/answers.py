"""Several answers to one image: proposals without near-duplicates, ranked without labels."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from sod.nn.consensus import centre_prior
from sod.refinement.masks import border_pixels, largest_component, mask_iou

COMPARED = 96
"""Longer side in pixels at which proposals are compared."""


class Answers(NamedTuple):
    """Answers to one image, the preferred one first.

    Args:
        maps: ``[K, H, W]`` in [0, 1].
        scores: Preference of each, ``[K]``, positive, with sum 1.
    """

    maps: Tensor
    scores: Tensor


def choose_answers(proposals: Sequence[Tensor], count: int, merge: float = 0.9) -> Answers:
    """Choose up to ``count`` answers among the proposals of an image.

    A proposal is preferred without any label: its weight is its mean IoU with all proposals
    (agreement), times the squares of the share of the image's border that it leaves free, of the
    mean of a Gaussian around the image's centre in it, and of the share of its largest connected
    component. The first answer is the first proposal,
    the method's own map. Each further one is the proposal that raises the expected IoU of the best
    answer most, if the proposals are right as often as their weights say (a greedy choice of a
    facility-location function). Proposals whose IoU with an answer is above ``merge`` count as the
    same.

    Args:
        proposals: Each ``[H, W]`` in [0, 1], compared at one half. Empty and full ones are ignored,
            except the first.
        count: Largest number of answers, K.
        merge: IoU above which two proposals are one.

    Returns:
        At least one answer; its score is the weight of the proposals it is the nearest answer of.
    """
    maps = torch.stack(list(proposals))
    masks = _small(maps) > 0.5
    share = masks.flatten(1).float().mean(1)
    valid = (share > 0.002) & (share < 0.98)
    valid[0] = True
    maps, masks = maps[valid], masks[valid]
    chosen, scores = choose_masks(masks, count, merge)
    return Answers(maps[chosen], scores)


def choose_masks(masks: Tensor, count: int, merge: float) -> tuple[list[int], Tensor]:
    """Return the indices of the chosen ones of binary proposals ``[P, h, w]``, and their scores."""
    overlaps = mask_iou(masks[:, None], masks[None]).double()
    weights = overlaps.mean(1) * _likely(masks) + 1e-9
    weights = weights / weights.sum()
    chosen = _greedy(overlaps, weights, count, merge)
    nearest = overlaps[:, chosen].argmax(1)
    scores = torch.zeros(len(chosen), dtype=torch.float64, device=masks.device)
    return chosen, scores.index_add_(0, nearest, weights)


def _greedy(overlaps: Tensor, weights: Tensor, count: int, merge: float) -> list[int]:
    """Return the indices of the answers in order, the first proposal first."""
    chosen, covered = [0], overlaps[0]
    while len(chosen) < count:
        gains = (torch.maximum(covered, overlaps) - covered) @ weights
        gains[overlaps[:, chosen].amax(1) > merge] = 0
        best = int(gains.argmax())
        if gains[best] <= 0:
            break
        chosen.append(best)
        covered = torch.maximum(covered, overlaps[best])
    return chosen


def _likely(masks: Tensor) -> Tensor:
    """Return how likely masks ``[P, h, w]`` are an object by their place, ``[P]`` in [0, 1]."""
    prior = centre_prior((masks.shape[1], masks.shape[2])).to(masks.device)
    inside = (masks * prior).flatten(1).sum(1) / masks.flatten(1).sum(1).clamp(min=1)
    free = 1 - border_pixels(masks).float().mean(1)
    largest = largest_component(masks[:, None])[:, 0].flatten(1).sum(1)
    whole = largest / masks.flatten(1).sum(1).clamp(min=1)
    return ((free * inside * whole) ** 2).double()


def _small(maps: Tensor) -> Tensor:
    """Resize maps ``[P, H, W]`` so that the longer side is at most ``COMPARED`` pixels."""
    height, width = maps.shape[1:]
    factor = min(1.0, COMPARED / max(height, width))
    size = (max(1, round(height * factor)), max(1, round(width * factor)))
    return F.interpolate(maps[:, None].float(), size, mode="area")[:, 0]
