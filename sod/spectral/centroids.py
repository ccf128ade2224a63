"""Clean-up of a cut: tokens move to the side whose mean feature is more similar."""

import torch
import torch.nn.functional as F
from torch import Tensor

from sod.core.precision import full_precision_region

ROUNDS = 20


@full_precision_region
def two_centroids(features: Tensor, mask: Tensor, rounds: int = ROUNDS) -> Tensor:
    """Reassign the tokens of an image between object and rest until nothing changes.

    In each round every token goes to the side whose mean unit feature has the larger cosine with
    it; equal ones stay. This is k-means on the sphere with two clusters, started from a cut (the
    clean-up of Selfment, arXiv 2602.23759). If the sides change their roles on the way, so that
    the result shares less with the given mask than its complement does, or if a side is emptied,
    the given mask is returned.

    Args:
        features: Dense features ``[C, h, w]``.
        mask: The object, bool ``[h, w]``.
        rounds: Largest number of rounds.

    Returns:
        Bool ``[h, w]``.
    """
    tokens = F.normalize(features.detach().flatten(1).T.float(), dim=1)
    start = mask.flatten()
    side = start
    for _ in range(rounds):
        if not side.any() or side.all():
            return mask
        inside, outside = (F.normalize(tokens[part].mean(0), dim=0) for part in (side, ~side))
        difference = tokens @ (inside - outside)
        moved = torch.where(difference == 0, side, difference > 0)
        if torch.equal(moved, side):
            break
        side = moved
    if not side.any() or side.all() or _iou(side, start) < _iou(~side, start):
        return mask
    return side.view(mask.shape)


def _iou(left: Tensor, right: Tensor) -> float:
    return float((left & right).sum() / (left | right).sum().clamp(min=1))
