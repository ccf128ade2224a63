"""Measures that are functions of pixel counts, at every threshold at once."""

from collections.abc import Callable

from torch import Tensor

from sod.metrics.alignment import e_measure
from sod.metrics.protocols import Protocol
from sod.metrics.thresholds import (
    Counts,
    accuracy,
    balanced_error,
    dice,
    f_measure,
    false_positive_rate,
    iou,
    kappa,
    precision_recall,
    specificity,
)


def _f(counts: Counts, protocol: Protocol) -> Tensor:
    precision, recall = precision_recall(counts, protocol.empty)
    return f_measure(precision, recall, protocol.beta2)


_FUNCTIONS: dict[str, Callable[[Counts, Protocol], Tensor]] = {
    "f": _f,
    "e": lambda counts, protocol: e_measure(counts, protocol.alignment_floor),
    "iou": lambda counts, protocol: iou(counts, protocol.empty),
    "accuracy": lambda counts, _: accuracy(counts),
    "precision": lambda counts, protocol: precision_recall(counts, protocol.empty)[0],
    "recall": lambda counts, protocol: precision_recall(counts, protocol.empty)[1],
    "dice": lambda counts, protocol: dice(counts, protocol.empty),
    "ber": lambda counts, _: balanced_error(counts),
    "kappa": lambda counts, protocol: kappa(counts, protocol.empty, protocol.pysod_kappa),
    "fpr": lambda counts, _: false_positive_rate(counts),
    "specificity": lambda counts, protocol: specificity(counts, protocol.empty),
}
OF_OBJECTS = "si_"
"""Prefix of the families that are computed from the counts of each object."""


def of_counts(family: str, counts: Counts, protocol: Protocol) -> Tensor:
    """Return a family's measure, of the shape of ``counts.hits``.

    Args:
        family: Name of the family; the prefix ``si_`` makes no difference here.
        counts: Counts of an image, of objects or of a whole data set.
        protocol: The evaluation protocol.
    """
    return _FUNCTIONS[family.removeprefix(OF_OBJECTS)](counts, protocol)
