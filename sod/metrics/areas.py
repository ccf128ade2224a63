"""Areas under the ROC and the precision-recall curve."""

import torch
from torch import Tensor

from sod.metrics.thresholds import Counts


def roc_auc(counts: Counts, empty: float = 0.0) -> Tensor:
    """Return the area under the ROC curve of one image, by the trapezoidal rule.

    The curve goes from (0, 0) through the points of the thresholds to (1, 1).

    Args:
        counts: Counts ``[T]`` at ascending thresholds.
        empty: Value where the mask is empty or full.

    Source: Fawcett, Pattern Recognition Letters 27:861-874, 2006.
    """
    hits, predicted = _closed(counts)
    negative = counts.total - counts.positive
    if bool((counts.positive == 0) | (negative == 0)):
        return torch.full_like(counts.total[0], empty)
    area = -torch.trapezoid(hits, predicted - hits)
    return area / (counts.positive * negative)[0]


def average_precision(counts: Counts, empty: float = 0.0) -> Tensor:
    """Return the average precision of one image: the mean over its foreground, step by step.

    Args:
        counts: Counts ``[T]`` at ascending thresholds.
        empty: Value where the mask is empty.

    Source: Davis and Goadrich, ICML 2006, on why the points are not joined by lines.
    """
    hits, predicted = _closed(counts)
    if bool(counts.positive == 0):
        return torch.full_like(counts.total[0], empty)
    gained = hits[:-1] - hits[1:]
    return (gained * hits[:-1] / predicted[:-1].clamp(min=1)).sum() / counts.positive[0]


def open_area(heights: Tensor, places: Tensor) -> Tensor:
    """Return the area under mean curves ``[..., T]`` that end at their own points.

    PySODMetrics computes both areas this way, from the points of its thresholds; a perfect binary
    map then has the area 0.

    Args:
        heights: Recall, or precision, at ascending thresholds.
        places: False positive rate, or recall.
    """
    return -torch.trapezoid(heights, places)


def _closed(counts: Counts) -> tuple[Tensor, Tensor]:
    """Return hits and predicted pixels, with all pixels predicted first and none at the end."""
    none = torch.zeros_like(counts.total)
    hits = torch.cat([counts.positive, counts.hits, none])
    return hits, torch.cat([counts.total, counts.predicted, none])
