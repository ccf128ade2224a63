"""E-measure: enhanced alignment of a binary map with its mask."""

import torch
from torch import Tensor

from sod.metrics.thresholds import Counts

_EPS = 2.0**-52


def e_measure(counts: Counts, floor: float = 1.0) -> Tensor:
    """Return the enhanced-alignment measure at every threshold.

    The term of a pixel depends only on whether it is predicted and whether it is foreground. The
    measure is therefore computed exactly from four counts, without a binary map per threshold.

    Args:
        counts: Counts of one binary map or more.
        floor: Smallest denominator: the sum over pixels is divided by max(HW - 1, ``floor``).

    Returns:
        Float64, of the shape of ``counts.hits``. For an empty mask it is the share of unpredicted
        pixels, for a full one that of predicted pixels (both relative to HW - 1, so up to
        HW / (HW - 1)). For a 1 x 1 image it is 0 or 1 / ``floor``.

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
    """Return the enhanced alignment term of pixels with these deviations from the means."""
    alignment = 2 * map_bias * mask_bias / (map_bias**2 + mask_bias**2 + _EPS)
    return (alignment + 1) ** 2 / 4
