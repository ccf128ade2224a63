import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.metric_cases import Picture, blob, maps, real_pairs, small_pairs
from helpers.metric_reference import plain_map, plain_s

from sod.metrics import GROUPS, MEASURES, SaliencyMetrics, get_protocol, measure
from sod.metrics.camouflage import camouflage_degree
from sod.metrics.functional import summarise

oracle = pytest.importorskip("py_sod_metrics", reason="no PySODMetrics: install the dev extra")

from helpers.pysod_oracle import everything, handlers  # noqa: E402 - needs PySODMetrics

PYSOD = get_protocol("pysod")
ALL = GROUPS["all"]
CHEAP = tuple(name for name in ALL if name != "camouflage_context")


def own_row(
    picture: Picture,
    mask: Picture,
    names: tuple[str, ...] = CHEAP,
    photo: Picture | None = None,
) -> dict[str, float]:
    colours = None if photo is None else torch.from_numpy(photo).permute(2, 0, 1).float() / 255
    saliency = torch.from_numpy(picture).float() / 255
    measured = measure(saliency, torch.from_numpy(mask), PYSOD, names=names, colours=colours)
    row = dict(zip(names, measured.values.tolist(), strict=True))
    whole = dict(zip(names, summarise(measured, PYSOD, names).tolist(), strict=True))
    return row | {name: whole[name] for name in names if name.startswith("overall_")}


def check(cases: Iterable[tuple[str, Picture, Picture]]) -> set[str]:
    """Compare all measures with PySODMetrics, and return the names of those compared."""
    compared: set[str] = set()
    for name, picture, mask in cases:
        expected, own = everything(picture, mask), own_row(picture, mask)
        for key, value in expected.items():
            assert own[key] == pytest.approx(value, abs=1e-9, rel=0), f"{name}: {key}"
        compared |= expected.keys()
    return compared


# Not in PySODMetrics: boundary IoU and F, and E at 0.5. See test_boundary.py.
OWN = {"boundary_iou", "boundary_f", "e", "camouflage_context"}


def test_small_and_degenerate_cases_agree_with_pysodmetrics() -> None:
    assert check(list(small_pairs())[::13]) == set(ALL) - OWN


def test_a_real_mask_agrees_with_pysodmetrics(shared: Path) -> None:
    check(list(real_pairs(shared, 1))[7::4])


@pytest.mark.slow
def test_all_small_cases_and_real_masks_agree_with_pysodmetrics(shared: Path) -> None:
    check(small_pairs())
    check(real_pairs(shared, 4))


@pytest.mark.slow
def test_a_large_image_agrees_with_pysodmetrics() -> None:
    mask = blob((1500, 2000), (0.4, 0.6), 0.3)
    pictures = maps(mask, np.random.default_rng(2))
    check([("large", pictures["soft and noisy"], mask)])


def test_a_constant_quadrant_counts_as_in_pysodmetrics() -> None:
    mask = np.zeros((24, 25), np.uint8)
    mask[0] = 255  # the lower quadrants have no object
    picture = np.full(mask.shape, 5, np.uint8)
    picture[0], picture[-1, -1] = 255, 0  # so that the map is not stretched
    expected = everything(picture, mask)["s_measure"]
    assert own_row(picture, mask)["s_measure"] == pytest.approx(expected, abs=1e-9, rel=0)
    exact = measure(torch.from_numpy(picture) / 255.0, torch.from_numpy(mask), get_protocol("a2s"))
    assert exact.values[MEASURES.index("s_measure")] > expected + 0.2


def test_an_object_without_surroundings_is_not_camouflaged() -> None:
    photo = np.zeros((12, 12, 3), np.uint8)
    assert not camouflage_degree(photo, np.ones((12, 12), bool)).any()
    assert not camouflage_degree(photo, np.zeros((12, 12), bool)).any()


def test_camouflage_agrees_with_pysodmetrics() -> None:
    random = np.random.default_rng(4)
    mask = blob((60, 80), (0.5, 0.4), 0.3)
    picture = maps(mask, random)["soft and noisy"]
    photo = random.integers(0, 256, (60, 80, 3), dtype=np.uint8)
    photo[:, :40] = photo[:, 40:]  # object and surroundings look alike in part
    expected = everything(picture, mask, photo)["camouflage_context"]
    own = own_row(picture, mask, ("camouflage_context",), photo)
    assert own["camouflage_context"] == pytest.approx(expected, abs=1e-9, rel=0)
    plain = own_row(picture, mask, ("context",))["context"]
    assert abs(expected - plain) > 1e-3


def test_a_dataset_and_its_curves_agree_with_pysodmetrics() -> None:
    names = tuple(name for name in ALL if name.split("_", 1)[-1] in {"f", "iou", "kappa", "fpr"})
    names += ("auc_roc", "auc_pr")
    families = ("f", "iou", "kappa", "fpr", "precision", "recall")
    many = oracle.FmeasureV2(handlers(*families))
    overall = oracle.FmeasureV2(handlers(*families, overall=True))
    own = SaliencyMetrics("pysod", measures=names)
    mask = blob((40, 50), (0.5, 0.4), 0.3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for picture in maps(mask, np.random.default_rng(3)).values():
            many.step(picture, mask)
            overall.step(picture, mask)
            own.update(torch.from_numpy(picture).float() / 255, torch.from_numpy(mask))
    expected = _data_set(many.get_results(), overall.get_results())
    computed = own.compute()
    compared = computed.keys() & expected.keys()
    assert {"max_f", "overall_kappa", "auc_pr", "mean_fpr", "adaptive_iou"} <= compared
    for name in compared:
        assert computed[name] == pytest.approx(expected[name], abs=1e-9), name
    curves = own.curves()
    for name in ("precision", "recall", "f"):
        theirs = many.get_results()[name]["dynamic"][::-1]
        np.testing.assert_allclose(curves[name], theirs, atol=1e-12)


def _data_set(parts: dict[str, Any], overall: dict[str, Any]) -> dict[str, float]:
    row: dict[str, float] = {}
    for name, part in parts.items():
        row |= {name: part["binary"], f"adaptive_{name}": part["adaptive"]}
        row |= {f"max_{name}": part["dynamic"].max(), f"mean_{name}": part["dynamic"].mean()}
        row[f"overall_{name}"] = overall[name]["binary"]
    recall = parts["recall"]["dynamic"]
    row["auc_roc"] = np.trapezoid(recall, parts["fpr"]["dynamic"])
    row["auc_pr"] = np.trapezoid(parts["precision"]["dynamic"], recall)
    return row


def test_empty_quadrants_are_ignored_where_pysodmetrics_returns_nan() -> None:
    mask = np.zeros((10, 10), np.uint8)
    mask[:, -1] = 255
    assert "s_measure" not in everything(mask, mask)
    assert own_row(mask, mask)["s_measure"] == pytest.approx(1.0, abs=1e-6)
    noisy = maps(mask, np.random.default_rng(5))["soft and noisy"]
    expected = plain_s(plain_map(noisy / 255, "pysod", refined=False), mask > 128, numpy_means=True)
    assert own_row(noisy, mask)["s_measure"] == pytest.approx(expected, abs=1e-9)


def test_boxes_that_cover_the_image_leave_the_background_without_weight() -> None:
    mask = np.zeros((9, 9), np.uint8)
    mask[[0, -1]] = mask[:, [0, -1]] = 255
    assert "si_mae" not in everything(mask // 2, mask)
    assert own_row(np.zeros_like(mask), mask)["si_mae"] == pytest.approx(32 / 81)
