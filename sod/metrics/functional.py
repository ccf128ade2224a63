"""All measures of one image, and of a data set from their means."""

from collections.abc import Callable
from math import isfinite
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from sod.core.errors import SodError
from sod.metrics.areas import average_precision, open_area, roc_auc
from sod.metrics.boundary import boundary_f, boundary_iou
from sod.metrics.camouflage import camouflage_degree
from sod.metrics.catalogue import CATALOGUE, MEASURES, OWN_MEASURES, Measure
from sod.metrics.context import context_measure
from sod.metrics.correction import correction_effort
from sod.metrics.families import OF_OBJECTS, of_counts
from sod.metrics.objects import size_invariant_mae
from sod.metrics.picture import ADAPTIVE, HALF, Picture
from sod.metrics.prepare import prepare
from sod.metrics.protocols import Protocol
from sod.metrics.structure import s_measure
from sod.metrics.thresholds import Counts, accuracy, f_measure
from sod.metrics.weighted import weighted_f

CURVES = ("precision", "recall", "f", "e")
"""Curves that are always computed."""


class Measured(NamedTuple):
    """The measures of one image.

    Attributes:
        values: Float64 ``[M]``, in the order of the names asked for.
        curves: Float64 ``[C, T]``: those of :func:`curve_names`, at ascending thresholds.
        counts: Float64 ``[2, 4]``: hits, predicted, foreground and all pixels at 0.5, of the image
            and summed over its objects; zeros where no measure needs them.
    """

    values: Tensor
    curves: Tensor
    counts: Tensor


def curve_names(names: tuple[str, ...]) -> tuple[str, ...]:
    """Return the families whose curves the measures are computed from, after ``CURVES``."""
    entries = [CATALOGUE[name] for name in names]
    more = [entry.family for entry in entries if entry.averaging == "max"]
    if "auc_roc" in names:
        more.append("fpr")
    return tuple(dict.fromkeys([*CURVES, *more]))


def measure(
    saliency: Tensor,
    mask: Tensor,
    protocol: Protocol,
    *,
    refined: bool = False,
    names: tuple[str, ...] = MEASURES,
    colours: Tensor | None = None,
) -> Measured:
    """Return measures of one image under a protocol.

    Args:
        saliency: Float ``[H, W]`` in [0, 1], on any device.
        mask: Uint8 (0..255) or bool ``[H, W]``, on the same device.
        protocol: The evaluation protocol.
        refined: Whether the map is refined.
        names: The measures, of ``CATALOGUE``.
        colours: The photo, float ``[3, H, W]`` in [0, 1]; only ``camouflage_context`` needs it.

    Raises:
        ValueError: The shapes differ, the map holds values that are not finite, or the photo is
            missing.
        SodError: A measure needs a library that is not installed.
    """
    picture = Picture(prepare(saliency, mask, protocol, refined=refined), protocol, colours)
    entries = [CATALOGUE[name] for name in names]
    values = [_value(picture, entry) for entry in entries]
    curves = torch.stack([picture.curve(family) for family in curve_names(names)])
    pools = any(entry.averaging == "overall" for entry in entries)
    counts = picture.pooled() if pools else curves.new_zeros(2, 4)
    return Measured(torch.stack([_scalar(value, curves) for value in values]), curves, counts)


def _scalar(value: Tensor | float, like: Tensor) -> Tensor:
    return value if isinstance(value, Tensor) else like.new_tensor(value)


def _value(picture: Picture, entry: Measure) -> Tensor | float:
    if entry.family == entry.name and entry.name in _SINGLE:
        return _SINGLE[entry.name](picture)
    if entry.name in OWN_MEASURES:
        return _own(picture, entry.name)
    if entry.family == "msiou":
        return _scales(picture, entry)
    values = picture.family(entry.family)
    if entry.averaging == "adaptive":
        return values[ADAPTIVE]
    if entry.averaging == "mean":
        return values[:ADAPTIVE].mean()
    if entry.averaging == "max":
        return values[:ADAPTIVE].max()
    return values[HALF]


def _own(picture: Picture, name: str) -> float:
    """Return a measure of another package.

    Raises:
        SodError: It is no finite number.
    """
    value = float(OWN_MEASURES[name].compute(picture.image.values, picture.image.foreground))
    if not isfinite(value):
        raise SodError(f"--measures {name}: gives {value}; it has to give a finite number.")
    return value


def _scales(picture: Picture, entry: Measure) -> Tensor | float:
    if entry.averaging in {"mean", "max"}:
        curve, nothing = picture.scales
        if entry.averaging == "max":
            return curve.max()
        return (curve.sum() + nothing) / (len(curve) + 1)  # PySODMetrics counts the empty map
    return picture.scale(ADAPTIVE if entry.averaging == "adaptive" else HALF)


def _thresholds(picture: Picture) -> Counts:
    counts = picture.counts
    return Counts(counts.hits[:ADAPTIVE], counts.predicted[:ADAPTIVE], *counts[2:])


def _mae(picture: Picture) -> Tensor:
    if picture.protocol.binary_mae:
        return 1 - accuracy(picture.counts)[HALF]
    return picture.error.mean()


def _object_mae(picture: Picture) -> Tensor:
    error = picture.error
    if picture.protocol.binary_mae:
        error = (picture.half != picture.image.foreground).double()
    return size_invariant_mae(error, picture.boxes)


def _roc(picture: Picture) -> Tensor:
    if not picture.protocol.closed_curves:
        return open_area(picture.curve("recall"), picture.curve("fpr"))
    return roc_auc(_thresholds(picture), picture.protocol.empty)


def _precision_recall(picture: Picture) -> Tensor:
    if not picture.protocol.closed_curves:
        return open_area(picture.curve("precision"), picture.curve("recall"))
    return average_precision(_thresholds(picture), picture.protocol.empty)


def _camouflage(picture: Picture) -> float:
    if picture.colours is None:
        raise ValueError("the measure camouflage_context needs the photo")
    levels = (picture.colours.clamp(0, 1) * 255).round().byte().permute(1, 2, 0)
    mask = picture.image.foreground
    degree = camouflage_degree(np.ascontiguousarray(levels.cpu().numpy()), mask.cpu().numpy())
    return context_measure(picture.context, degree)


_SINGLE: dict[str, Callable[[Picture], Tensor | float]] = {
    "mae": _mae,
    "weighted_f": lambda p: weighted_f(p.error, p.image.foreground),
    "s_measure": lambda p: s_measure(
        p.image.values, p.image.foreground, numpy_means=p.protocol.numpy_means
    ),
    "boundary_iou": lambda p: boundary_iou(p.half, p.image.foreground, p.protocol.empty),
    "boundary_f": lambda p: boundary_f(p.half, p.image.foreground, p.protocol.empty),
    "hce": lambda p: correction_effort(p.half, p.image.foreground),
    "context": lambda p: context_measure(p.context),
    "camouflage_context": _camouflage,
    "si_mae": _object_mae,
    "auc_roc": _roc,
    "auc_pr": _precision_recall,
}


def needed_curves(names: tuple[str, ...], protocol: Protocol) -> tuple[str, ...]:
    """Return the families whose mean curves decide the measures of a data set."""
    if protocol.max_rule == "mean-of-max":
        return ()
    entries = [CATALOGUE[name] for name in names]
    needed = [entry.family for entry in entries if entry.averaging == "max"]
    if protocol.max_rule == "mean-precision-recall" and {"max_f", "mean_f"} & {*names}:
        needed += ["precision", "recall", "f"]
    if not protocol.closed_curves:
        needed += ["recall", "fpr"] if "auc_roc" in names else []
        needed += ["precision", "recall"] if "auc_pr" in names else []
    return tuple(dict.fromkeys(needed))


def summarise(
    means: Measured,
    protocol: Protocol,
    names: tuple[str, ...] = MEASURES,
    families: tuple[str, ...] | None = None,
) -> Tensor:
    """Return the measures of a data set from the means of its images' results.

    Args:
        means: Means over images, with any leading dimensions, such as those of resamples.
        protocol: The protocol, whose ``max_rule`` gives the order of the maximum over thresholds
            and the mean over images.
        names: The measures, in the order of ``means.values``.
        families: Those of ``means.curves``, ``needed_curves`` at least; by default
            ``curve_names``.

    Returns:
        ``[..., M]``, of the type of ``means.values``.
    """
    summary = means.values.clone()
    families = curve_names(names) if families is None else families
    curves = dict(zip(families, means.curves.unbind(-2), strict=True))
    if protocol.max_rule == "mean-precision-recall" and "precision" in curves:
        curves["f"] = f_measure(curves["precision"], curves["recall"], protocol.beta2)
    for position, name in enumerate(names):
        value = _of_means(CATALOGUE[name], curves, means.counts, protocol)
        if value is not None:
            summary[..., position] = value
    return summary


def _of_means(
    entry: Measure, curves: dict[str, Tensor], counts: Tensor, protocol: Protocol
) -> Tensor | None:
    """Return a measure that is not the mean of its values per image, else None."""
    if entry.averaging == "overall":
        row = counts[..., int(entry.family.startswith(OF_OBJECTS)), :]
        return of_counts(entry.family, Counts(*row.unbind(-1)), protocol)
    if protocol.max_rule == "mean-of-max":
        return None
    if entry.averaging == "max":
        return curves[entry.family].amax(-1)
    if entry.name == "mean_f" and protocol.max_rule == "mean-precision-recall":
        return curves["f"].mean(-1)
    if entry.name == "auc_roc" and not protocol.closed_curves:
        return open_area(curves["recall"], curves["fpr"])
    if entry.name == "auc_pr" and not protocol.closed_curves:
        return open_area(curves["precision"], curves["recall"])
    return None
