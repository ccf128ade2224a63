import math
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.metric_cases import Picture, blob, maps, real_pairs, small_pairs
from helpers.metric_reference import plain_map, plain_s

from sod.metrics import EXTRA_MEASURES, MEASURES, SaliencyMetrics, get_protocol, measure

oracle = pytest.importorskip("py_sod_metrics", reason="no PySODMetrics: install the dev extra")

PYSOD = get_protocol("pysod")


class Oracle:
    """The same measures by PySODMetrics."""

    def __init__(self) -> None:
        kinds: dict[str, Any] = {
            "f": oracle.FmeasureHandler,
            "iou": oracle.IOUHandler,
            "accuracy": oracle.OverallAccuracyHandler,
            "dice": oracle.DICEHandler,
            "ber": oracle.BERHandler,
            "precision": oracle.PrecisionHandler,
            "recall": oracle.RecallHandler,
        }
        self.many = oracle.FmeasureV2(
            {name: kind(True, True, with_binary=True) for name, kind in kinds.items()}
        )
        self.mae, self.s, self.e, self.w = (
            kind()
            for kind in (oracle.MAE, oracle.Smeasure, oracle.Emeasure, oracle.WeightedFmeasure)
        )

    def step(self, picture: Picture, mask: Picture) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for metric in (self.many, self.mae, self.s, self.e, self.w):
                metric.step(picture, mask)

    def row(self) -> dict[str, float]:
        many, e = self.many.get_results(), self.e.get_results()["em"]
        return {
            "mae": self.mae.get_results()["mae"],
            "iou": many["iou"]["binary"],
            "accuracy": many["accuracy"]["binary"],
            "max_f": many["f"]["dynamic"].max(),
            "mean_f": many["f"]["dynamic"].mean(),
            "adaptive_f": many["f"]["adaptive"],
            "weighted_f": self.w.get_results()["wfm"],
            "s_measure": self.s.get_results()["sm"],
            "max_e": e["curve"].max(),
            "mean_e": e["curve"].mean(),
            "adaptive_e": e["adp"],
            "dice": many["dice"]["binary"],
            "ber": many["ber"]["binary"],
        }


def own_row(picture: Picture, mask: Picture) -> dict[str, float]:
    measured = measure(torch.from_numpy(picture).float() / 255, torch.from_numpy(mask), PYSOD)
    return dict(zip(MEASURES + EXTRA_MEASURES, measured.values.tolist(), strict=True))


def check(cases: Iterable[tuple[str, Picture, Picture]]) -> int:
    """Compare all cases with PySODMetrics, or with the reference where that returns NaN."""
    count = 0
    for name, picture, mask in cases:
        reference = Oracle()
        reference.step(picture, mask)
        expected = reference.row()
        own = own_row(picture, mask)
        if math.isnan(expected["s_measure"]):
            values = plain_map(picture / 255, "pysod", refined=False)
            expected["s_measure"] = plain_s(values, mask > 128, numpy_means=True)
        for key, value in expected.items():
            assert own[key] == pytest.approx(value, abs=1e-5, rel=0), f"{name}: {key}"
        count += 1
    return count


def test_small_and_degenerate_cases_agree_with_pysodmetrics() -> None:
    assert check(small_pairs()) >= 300


def test_real_masks_agree_with_pysodmetrics(shared: Path) -> None:
    assert check(real_pairs(shared, 8)) == 120


def test_a_large_image_agrees_with_pysodmetrics() -> None:
    mask = blob((1500, 2000), (0.4, 0.6), 0.3)
    pictures = maps(mask, np.random.default_rng(2))
    kinds = ("soft and noisy", "constant")
    assert check((kind, pictures[kind], mask) for kind in kinds) == 2


def test_a_dataset_and_its_curves_agree_with_pysodmetrics() -> None:
    reference, own = Oracle(), SaliencyMetrics("pysod", extended=True)
    mask = blob((40, 50), (0.5, 0.4), 0.3)
    for picture in maps(mask, np.random.default_rng(3)).values():
        reference.step(picture, mask)
        own.update(torch.from_numpy(picture).float() / 255, torch.from_numpy(mask))
    assert own.compute() == pytest.approx(reference.row(), abs=1e-9)
    curves, many = own.curves(), reference.many.get_results()
    for name in ("precision", "recall", "f"):
        np.testing.assert_allclose(curves[name], many[name]["dynamic"][::-1], atol=1e-12)
    np.testing.assert_allclose(curves["e"], reference.e.get_results()["em"]["curve"][::-1])


def test_empty_quadrants_are_ignored_where_pysodmetrics_returns_nan() -> None:
    mask = np.zeros((10, 10), np.uint8)
    mask[:, -1] = 255
    reference = Oracle()
    reference.step(mask, mask)
    assert math.isnan(reference.row()["s_measure"])
    assert own_row(mask, mask)["s_measure"] == pytest.approx(1.0, abs=1e-6)
