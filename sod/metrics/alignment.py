"""E-measure: alignment of a binarised map with its mask."""

import torch
from torch import Tensor

from sod.metrics.thresholds import Counts

_EPS = 2.0**-52


def e_measure(counts: Counts, floor: float = 1.0) -> Tensor:
    """Return the enhanced-alignment measure at every threshold.

    The measure depends on a pixel only through its two bits (predicted, foreground), so four
    counts and four terms give it exactly, without a map per threshold.

    Args:
        counts: of the binarised map or maps.
        floor: smallest denominator: the sum over pixels is divided by max(HW - 1, ``floor``).

    Returns:
        float64, like ``counts.hits``. An empty mask gives the share of unpredicted pixels, a full
        one that of predicted pixels (both over HW - 1, so up to HW / (HW - 1)). A 1 x 1 image
        gives 0 or 1 / ``floor``.

    Source: Fan et al., IJCAI 2018, equations 2-5.
    """
    hits, predicted, positive, total = counts
    false_alarms, misses = predicted - hits, positive - hits
    rejected = total - predicted - misses
    mean_map, mean_mask = predicted / total, positive / total
    aligned = (
        hits * _enhanced(1 - mean_map, 1 - mean_mask)
        + false_alarms * _enhanced(1 - mean_map, -mean_mask)
        + misses * _enhanced(-mean_map, 1 - mean_mask)
        + rejected * _enhanced(-mean_map, -mean_mask)
    )
    aligned = torch.where(positive == 0, total - predicted, aligned)
    aligned = torch.where(positive == total, predicted, aligned)
    return aligned / (total - 1).clamp(min=floor)


def _enhanced(map_bias: Tensor, mask_bias: Tensor) -> Tensor:
    alignment = 2 * map_bias * mask_bias / (map_bias**2 + mask_bias**2 + _EPS)
    return (alignment + 1) ** 2 / 4
