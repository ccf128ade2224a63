"""All measures of one image, and of a data set from their means."""

from typing import NamedTuple

import torch
from torch import Tensor

from sod.metrics.alignment import e_measure
from sod.metrics.prepare import Prepared, prepare
from sod.metrics.protocols import Protocol
from sod.metrics.structure import s_measure
from sod.metrics.thresholds import (
    Counts,
    accuracy,
    append,
    balanced_error,
    dice,
    f_measure,
    iou,
    precision_recall,
    sweep,
)
from sod.metrics.weighted import weighted_f

MEASURES = (
    "mae",
    "iou",
    "accuracy",
    "max_f",
    "mean_f",
    "adaptive_f",
    "weighted_f",
    "s_measure",
    "max_e",
    "mean_e",
    "adaptive_e",
)
EXTRA_MEASURES = ("dice", "ber")
CURVES = ("precision", "recall", "f", "e")


class Measured(NamedTuple):
    """The measures of one image.

    Attributes:
        values: Float64 ``[13]``: ``MEASURES`` and ``EXTRA_MEASURES``, in order.
        curves: Float64 ``[4, T]``: ``CURVES`` at ascending thresholds.
    """

    values: Tensor
    curves: Tensor


def measure(
    saliency: Tensor, mask: Tensor, protocol: Protocol, *, refined: bool = False
) -> Measured:
    """Return all measures of one image under a protocol.

    Args:
        saliency: Float ``[H, W]`` in [0, 1], on any device.
        mask: Uint8 (0..255) or bool ``[H, W]``, on the same device.
        protocol: The evaluation protocol.
        refined: Whether the map is refined.

    Raises:
        ValueError: The shapes differ, or the map holds values that are not finite.
    """
    image = prepare(saliency, mask, protocol, refined=refined)
    counts = _counts(image, protocol)
    precision, recall = precision_recall(counts, protocol.empty)
    f = f_measure(precision, recall, protocol.beta2)
    e = e_measure(counts, protocol.alignment_floor)
    at_half = Counts(counts.hits[-1], counts.predicted[-1], counts.positive[0], counts.total[0])
    curves = torch.stack([precision, recall, f, e])[:, :-2]
    error = (image.values - image.foreground.double()).abs_()
    values = [
        1 - accuracy(at_half) if protocol.binary_mae else error.mean(),
        iou(at_half, protocol.empty),
        accuracy(at_half),
        curves[2].max(),
        curves[2].mean(),
        f[-2],
        weighted_f(error, image.foreground),
        s_measure(image.values, image.foreground, numpy_means=protocol.numpy_means),
        curves[3].max(),
        curves[3].mean(),
        e[-2],
        dice(at_half, protocol.empty),
        balanced_error(at_half),
    ]
    return Measured(torch.stack(values), curves)


def summarise(values: Tensor, curves: Tensor, protocol: Protocol) -> Tensor:
    """Return the measures of a data set from the means of its images' values and curves.

    Args:
        values: Float64 ``[13]``, mean over images of ``Measured.values``.
        curves: Float64 ``[4, T]``, mean over images of ``Measured.curves``.
        protocol: The protocol, whose ``max_rule`` gives the order of the maximum over thresholds
            and the mean over images.

    Returns:
        Float64 ``[13]``, in the order of ``MEASURES`` and ``EXTRA_MEASURES``.
    """
    summary = values.clone()
    if protocol.max_rule == "mean-of-max":
        return summary
    precision, recall, f, e = curves
    if protocol.max_rule == "mean-precision-recall":
        f = f_measure(precision, recall, protocol.beta2)
    summary[MEASURES.index("max_f")], summary[MEASURES.index("mean_f")] = f.max(), f.mean()
    summary[MEASURES.index("max_e")] = e.max()
    return summary


def _counts(image: Prepared, protocol: Protocol) -> Counts:
    """Return counts at the protocol's T thresholds, the adaptive threshold and 0.5, ``[T + 2]``."""
    limit = (2 * _mean(image.values, protocol)).clamp(max=1)
    above = image.values >= limit if protocol.adaptive == ">=" else image.values > limit
    counts = sweep(image.codes, image.foreground, protocol.thresholds)
    return append(counts, image.foreground, above, image.values > 0.5)


def _mean(values: Tensor, protocol: Protocol) -> Tensor:
    """Return the mean, in NumPy's order of summation if the protocol requires it."""
    if protocol.numpy_means:
        return torch.tensor(values.cpu().numpy().mean(), device=values.device)
    return values.mean()
