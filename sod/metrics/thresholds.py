"""Precision, recall, F, IoU, accuracy from pixel counts; one histogram serves all thresholds."""

from typing import NamedTuple

import torch
from torch import Tensor


class Counts(NamedTuple):
    """Pixel counts of a binarised map; all float64, one entry per threshold.

    The fields broadcast: ``[T]`` with ``[1]`` for one image, ``[B, T]`` with ``[B, 1]`` for a
    batch, whatever the images' sizes.

    Attributes:
        hits: predicted and in the foreground.
        predicted: predicted.
        positive: in the foreground.
        total: of the image.
    """

    hits: Tensor
    predicted: Tensor
    positive: Tensor
    total: Tensor


def sweep(codes: Tensor, foreground: Tensor, thresholds: int) -> Counts:
    """Count pixels at every threshold from one joint histogram.

    Args:
        codes: int64 ``[H, W]``, how many thresholds each pixel passes, 0..``thresholds``.
        foreground: bool ``[H, W]``.
        thresholds: their number T.

    Returns:
        Counts ``[T]``, thresholds ascending.
    """
    bins = thresholds + 1
    joint = torch.bincount(codes.add(foreground, alpha=bins).flatten(), minlength=2 * bins)
    passed = joint.view(2, bins).flip(-1).cumsum(-1).flip(-1).double()
    background_hits, hits = passed[:, 1:]
    positive, total = passed[1, :1], passed[:, :1].sum(0)
    return Counts(hits, hits + background_hits, positive, total)


def append(counts: Counts, foreground: Tensor, *binaries: Tensor) -> Counts:
    """Append the counts of binarised maps, bool ``[H, W]`` like the mask of ``counts``."""
    hits = [(binary & foreground).count_nonzero().double() for binary in binaries]
    predicted = [binary.count_nonzero().double() for binary in binaries]
    return Counts(
        torch.cat([counts.hits, torch.stack(hits)]),
        torch.cat([counts.predicted, torch.stack(predicted)]),
        counts.positive,
        counts.total,
    )


def precision_recall(counts: Counts, empty: float = 0.0) -> tuple[Tensor, Tensor]:
    """Return precision and recall; ``empty`` where nothing is predicted, or nothing is there."""
    precision = ratio(counts.hits, counts.predicted, empty)
    return precision, ratio(counts.hits, counts.positive.expand_as(counts.hits), empty)


def f_measure(precision: Tensor, recall: Tensor, beta2: float = 0.3) -> Tensor:
    """Return F = (1 + β²) P R / (β² P + R), 0 where P = R = 0 (Achanta et al., CVPR 2009)."""
    return ratio((1 + beta2) * precision * recall, beta2 * precision + recall, 0.0)


def iou(counts: Counts, empty: float = 0.0) -> Tensor:
    """Return intersection over union; ``empty`` where both are empty."""
    return ratio(counts.hits, counts.predicted + counts.positive - counts.hits, empty)


def accuracy(counts: Counts) -> Tensor:
    """Return the fraction of pixels told rightly."""
    wrong = counts.predicted + counts.positive - 2 * counts.hits
    return 1 - wrong / counts.total


def dice(counts: Counts, empty: float = 0.0) -> Tensor:
    """Return 2 |B ∩ G| / (|B| + |G|); ``empty`` where both are empty."""
    return ratio(2 * counts.hits, counts.predicted + counts.positive, empty)


def balanced_error(counts: Counts) -> Tensor:
    """Return 1 - (recall + specificity) / 2; a class that is absent counts as missed."""
    negative = counts.total - counts.positive
    rejected = negative - counts.predicted + counts.hits
    recall = ratio(counts.hits, counts.positive, 0.0)
    return 1 - (recall + ratio(rejected, negative, 0.0)) / 2


def ratio(numerator: Tensor, denominator: Tensor, empty: float) -> Tensor:
    """Divide; ``empty`` where the denominator is zero."""
    zero = denominator == 0
    return torch.where(zero, empty, numerator / torch.where(zero, 1.0, denominator))
