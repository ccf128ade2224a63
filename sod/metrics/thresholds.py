"""Precision, recall, F, IoU and accuracy at all thresholds, from one histogram of a map."""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor


class Counts(NamedTuple):
    """Pixel counts of a map binarised at T thresholds, float64.

    ``hits`` and ``predicted`` are ``[T]`` and the others ``[1]`` for one image; ``[B, T]`` and
    ``[B, 1]`` for a batch, in which images may differ in size.

    Attributes:
        hits: Predicted pixels of the foreground.
        predicted: Predicted pixels.
        positive: Foreground pixels of the mask.
        total: Pixels of the image.
    """

    hits: Tensor
    predicted: Tensor
    positive: Tensor
    total: Tensor


def sweep(codes: Tensor, foreground: Tensor, thresholds: int) -> Counts:
    """Count pixels at every threshold from one joint histogram of map and mask.

    Args:
        codes: Integers ``[H, W]``, the number of thresholds each pixel passes, 0..``thresholds``.
        foreground: Bool ``[H, W]``, the mask.
        thresholds: Number T of thresholds.

    Returns:
        Counts ``[T]``, in ascending order of thresholds.
    """
    bins = thresholds + 1
    joint = torch.bincount(codes.add(foreground, alpha=bins).flatten(), minlength=2 * bins)
    passed = joint.view(2, bins).flip(-1).cumsum(-1).flip(-1).double()
    background_hits, hits = passed[:, 1:]
    positive, total = passed[1, :1], passed[:, :1].sum(0)
    return Counts(hits, hits + background_hits, positive, total)


def append(counts: Counts, foreground: Tensor, *binaries: Tensor) -> Counts:
    """Append the counts of binary maps, bool ``[H, W]``, with the same mask ``foreground``."""
    hits = [number(binary & foreground) for binary in binaries]
    predicted = [number(binary) for binary in binaries]
    return Counts(
        torch.cat([counts.hits, *hits]),
        torch.cat([counts.predicted, *predicted]),
        counts.positive,
        counts.total,
    )


def number(binary: Tensor) -> Tensor:
    """Return the number of true pixels, float64 ``[1]``, on the device of the binary map."""
    count = np.count_nonzero(binary.numpy()) if binary.device.type == "cpu" else binary.sum()
    return torch.as_tensor(count, dtype=torch.float64, device=binary.device)[None]


def precision_recall(counts: Counts, empty: float = 0.0) -> tuple[Tensor, Tensor]:
    """Return precision and recall; ``empty`` where no pixel is predicted or foreground."""
    precision = ratio(counts.hits, counts.predicted, empty)
    return precision, ratio(counts.hits, counts.positive.expand_as(counts.hits), empty)


def f_measure(precision: Tensor, recall: Tensor, beta2: float = 0.3) -> Tensor:
    """Return F = (1 + β²) P R / (β² P + R), 0 where P = R = 0 (Achanta et al., CVPR 2009)."""
    return ratio((1 + beta2) * precision * recall, beta2 * precision + recall, 0.0)


def iou(counts: Counts, empty: float = 0.0) -> Tensor:
    """Return intersection over union; ``empty`` where both are empty."""
    return ratio(counts.hits, counts.predicted + counts.positive - counts.hits, empty)


def accuracy(counts: Counts) -> Tensor:
    """Return the fraction of correctly classified pixels."""
    wrong = counts.predicted + counts.positive - 2 * counts.hits
    return 1 - wrong / counts.total


def dice(counts: Counts, empty: float = 0.0) -> Tensor:
    """Return 2 |B ∩ G| / (|B| + |G|); ``empty`` where both are empty."""
    return ratio(2 * counts.hits, counts.predicted + counts.positive, empty)


def balanced_error(counts: Counts) -> Tensor:
    """Return 1 - (recall + specificity) / 2, where the rate of an absent class is 0."""
    negative = counts.total - counts.positive
    rejected = negative - counts.predicted + counts.hits
    recall = ratio(counts.hits, counts.positive, 0.0)
    return 1 - (recall + ratio(rejected, negative, 0.0)) / 2


def specificity(counts: Counts, empty: float = 0.0) -> Tensor:
    """Return the share of background pixels that are not predicted; ``empty`` without any."""
    negative = counts.total - counts.positive
    return ratio(negative - counts.predicted + counts.hits, negative.expand_as(counts.hits), empty)


def false_positive_rate(counts: Counts) -> Tensor:
    """Return the share of background pixels that are predicted; 0 without any."""
    negative = (counts.total - counts.positive).expand_as(counts.hits)
    return ratio(counts.predicted - counts.hits, negative, 0.0)


def kappa(counts: Counts, empty: float = 0.0, as_pysod: bool = False) -> Tensor:
    """Return Cohen's kappa, (A - C) / (1 - C) with accuracy A and chance agreement C.

    Args:
        counts: Pixel counts.
        empty: Value where C = 1: map and mask are constant and equal.
        as_pysod: Compute C as PySODMetrics does, which takes the number of correct pixels in place
            of that of background pixels.

    Source: Cohen, Educational and Psychological Measurement 20:37-46, 1960.
    """
    hits, predicted, positive, total = counts
    rejected = total - predicted - positive + hits
    others = hits + rejected if as_pysod else total - positive
    agreement = predicted * positive + (total - predicted) * others
    chance = agreement / total**2
    return ratio((hits + rejected) / total - chance, 1 - chance, empty)


def ratio(numerator: Tensor, denominator: Tensor, empty: float) -> Tensor:
    """Return numerator / denominator; ``empty`` where the denominator is zero."""
    return (numerator / denominator).masked_fill_(denominator == 0, empty)
