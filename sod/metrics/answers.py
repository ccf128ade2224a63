"""Measures of several answers to one image, against one or several masks.

The set measures are this project's own: no public definition could be verified.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from sod.refinement.masks import mask_iou

THRESHOLDS = tuple(0.5 + 0.05 * step for step in range(10))
"""IoU from which an answer matches a mask: 0.5, 0.55, ... 0.95."""


def best_iou(answers: Tensor, masks: Tensor, counts: Sequence[int]) -> dict[int, float]:
    """Return the IoU of the best of the first k answers, averaged over the masks.

    Args:
        answers: Bool ``[K, H, W]``, the best ranked first.
        masks: Bool ``[M, H, W]``.
        counts: The numbers k; above K, all answers count.

    Returns:
        By k, in [0, 1].
    """
    overlaps = mask_iou(answers[:, None], masks[None])
    return {count: float(overlaps[:count].amax(0).mean()) for count in counts}


def set_measures(answers: Tensor, scores: Tensor, masks: Tensor) -> dict[str, float]:
    """Return precision and recall of a set of answers, and their harmonic mean.

    At each IoU threshold, answers are matched to masks one to one, in the order of their scores,
    each to the free mask that it overlaps most. Precision is the share of the scores' sum that lies
    on matched answers, recall the share of masks that are matched. Both are averaged over
    ``THRESHOLDS``.

    Args:
        answers: Bool ``[K, H, W]``, the best ranked first.
        scores: ``[K]``, positive.
        masks: Bool ``[M, H, W]``.

    Returns:
        ``set_precision``, ``set_recall`` and ``set_f``, in [0, 1].
    """
    overlaps = mask_iou(answers[:, None], masks[None]).double()
    weights = scores.double() / scores.double().sum()
    matches = [_matched(overlaps, threshold) for threshold in THRESHOLDS]
    hits = torch.stack(matches).double()
    precision = float((hits @ weights.to(hits)).mean())
    recall = float(hits.sum(1).mean() / len(masks))
    total = precision + recall
    harmonic = 2 * precision * recall / total if total else 0.0
    return {"set_precision": precision, "set_recall": recall, "set_f": harmonic}


def _matched(overlaps: Tensor, threshold: float) -> Tensor:
    """Return which answers are matched, bool ``[K]``, given their IoUs ``[K, M]``."""
    free = torch.ones(overlaps.shape[1], dtype=torch.bool, device=overlaps.device)
    matched = torch.zeros(overlaps.shape[0], dtype=torch.bool, device=overlaps.device)
    for index, row in enumerate(overlaps):
        value, place = row.masked_fill(~free, -1).max(0)
        if value >= threshold:
            matched[index], free[place] = True, False
    return matched
