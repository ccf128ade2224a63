"""All measures of one map by PySODMetrics, under the names of this project."""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import py_sod_metrics as oracle
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
Row = dict[str, float]
HANDLERS: dict[str, Any] = {
    "f": oracle.FmeasureHandler,
    "iou": oracle.IOUHandler,
    "accuracy": oracle.OverallAccuracyHandler,
    "precision": oracle.PrecisionHandler,
    "recall": oracle.RecallHandler,
    "dice": oracle.DICEHandler,
    "ber": oracle.BERHandler,
    "kappa": oracle.KappaHandler,
    "fpr": oracle.FPRHandler,
    "specificity": oracle.SpecificityHandler,
}
_OVERALL = {"with_binary": True, "sample_based": False}


def handlers(*names: str, overall: bool = False) -> dict[str, Any]:
    """Return handlers of every averaging, or those of the pixels of all images."""
    if overall:
        return {name: HANDLERS[name](False, False, **_OVERALL) for name in names}
    return {name: HANDLERS[name](True, True, with_binary=True) for name in names}


def counted(picture: Picture, mask: Picture) -> Row:
    """Return the measures that are functions of pixel counts, and the areas under the curves."""
    many = oracle.FmeasureV2(handlers(*HANDLERS))
    overall = oracle.FmeasureV2(handlers(*HANDLERS, overall=True))
    many.step(picture, mask)
    overall.step(picture, mask)
    parts, row = many.get_results(), averaged(many.get_results(), overall.get_results())
    recall = parts["recall"]["dynamic"]
    row["auc_roc"] = float(np.trapezoid(recall, parts["fpr"]["dynamic"]))
    row["auc_pr"] = float(np.trapezoid(parts["precision"]["dynamic"], recall))
    return row


def averaged(parts: dict[str, Any], overall: dict[str, Any], prefix: str = "") -> Row:
    """Return every averaging by name; curves of several objects are averaged first."""
    row: Row = {}
    for name, part in parts.items():
        curve = part["dynamic"]
        curve = np.atleast_2d(curve[0]).mean(0) if isinstance(curve, list) else curve
        row[prefix + name] = float(part["binary"])
        row[f"adaptive_{prefix}{name}"] = float(part["adaptive"])
        row[f"mean_{prefix}{name}"] = float(curve.mean())
        row[f"max_{prefix}{name}"] = float(curve.max())
        row[f"overall_{prefix}{name}"] = float(overall[name]["binary"])
    return row


def size_invariant(picture: Picture, mask: Picture) -> Row:
    """Return the size-invariant measures; nothing for a full mask, on which it fails."""
    many = oracle.SizeInvarianceFmeasureV2(handlers("f", "iou"))
    overall = oracle.SizeInvarianceFmeasureV2(handlers("f", "iou", overall=True))
    mae = oracle.SizeInvarianceMAE()
    try:
        for part in (many, overall, mae):
            part.step(picture, mask)
    except AssertionError:
        return {}
    row = averaged(many.get_results(), overall.get_results(), "si_")
    return row | {"si_mae": float(mae.get_results()["si_mae"])}


class ExactMSIoU(oracle.MSIoU):  # type: ignore[misc]
    """MSIoU that counts exactly.

    PySODMetrics sums edges in half precision, which rounds counts above 2048: a perfect map of a
    large object can score 1.00004.
    """

    def get_edge(self, mask: NDArray[np.bool_]) -> NDArray[np.float64]:
        return np.asarray(super().get_edge(mask), np.float64)


def scales(picture: Picture, mask: Picture) -> Row:
    """Return the multi-scale IoU in every averaging."""
    part = ExactMSIoU(True, True, with_binary=True)
    part.step(picture, mask)
    found = part.get_results()
    return {
        "msiou": float(found["binary"]),
        "adaptive_msiou": float(found["adaptive"]),
        "mean_msiou": float(found["dynamic"].mean()),
        "max_msiou": float(found["dynamic"].max()),
    }


def alignment(picture: Picture, mask: Picture) -> Row:
    """Return the E-measures."""
    part = oracle.Emeasure()
    part.step(picture, mask)
    found = part.get_results()["em"]
    curve = found["curve"]
    return {"max_e": curve.max(), "mean_e": curve.mean(), "adaptive_e": found["adp"]}


def single(kind: Any, key: str, name: str) -> Callable[[Picture, Picture], Row]:  # noqa: ANN401
    """Return a function that computes one measure."""

    def compute(picture: Picture, mask: Picture) -> Row:
        part = kind()
        part.step(picture, mask)
        return {name: float(part.get_results()[key])}

    return compute


PARTS: dict[str, Callable[[Picture, Picture], Row]] = {
    "MAE": single(oracle.MAE, "mae", "mae"),
    "S-measure": single(oracle.Smeasure, "sm", "s_measure"),
    "weighted F": single(oracle.WeightedFmeasure, "wfm", "weighted_f"),
    "E-measure": alignment,
    "functions of counts, AUC": counted,
    "size-invariant": size_invariant,
    "MS-IoU": scales,
    "HCE": single(oracle.HumanCorrectionEffortMeasure, "hce", "hce"),
    "context": single(oracle.ContextMeasure, "cm", "context"),
}
"""Functions that compute all measures of a map, by what is shown in tables."""


def camouflage(picture: Picture, mask: Picture, photo: NDArray[np.uint8]) -> Row:
    """Return the context measure for camouflaged objects; the mask has 17 x 17 pixels at least."""
    part = oracle.CamouflageContextMeasure()
    part.step(picture, mask, img=photo)
    return {"camouflage_context": float(part.get_results()["ccm"])}


def everything(picture: Picture, mask: Picture, photo: NDArray[np.uint8] | None = None) -> Row:
    """Return all measures of one map; those that are not a number are left out."""
    row: Row = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for part in PARTS.values():
            row |= part(picture, mask)
        if photo is not None:
            row |= camouflage(picture, mask, photo)
    return {name: value for name, value in row.items() if not np.isnan(value)}
