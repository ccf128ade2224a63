from collections.abc import Sequence
from itertools import product

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from sod.evaluation.image_results import ImageResults
from sod.evaluation.resampling import bootstrap, data_set, holm, interval, p_value, sign_flips
from sod.evaluation.statistics import base_of, compare
from sod.metrics import get_protocol
from sod.metrics.functional import Measured, needed_curves

PROTOCOL = get_protocol("mean-max")


def results(
    values: Sequence[float] | NDArray[np.float64], curves: NDArray[np.float64] | None = None
) -> ImageResults:
    """Return results by IoU, and by max-F if curves ``[N, T]`` are given."""
    count = len(values)
    measures = ("iou",) if curves is None else ("iou", "max_f")
    table = np.tile(np.asarray(values, np.float32)[:, None], (1, len(measures)))
    lines = np.zeros((count, 0, 5)) if curves is None else curves[:, None]
    measured = Measured(
        torch.from_numpy(table), torch.from_numpy(lines).float(), torch.zeros(count, 2, 4)
    )
    names = tuple(f"{number:04}" for number in range(count))
    return ImageResults(PROTOCOL, measures, names, measured)


def test_bootstrap_means_spread_as_theory_says() -> None:
    values = np.random.default_rng(1).random(40)
    samples = bootstrap(results(values), 4000)[:, 0]
    assert samples.mean() == pytest.approx(values.mean(), abs=0.003)
    assert samples.std() == pytest.approx(values.std() / np.sqrt(40), rel=0.05)
    assert (bootstrap(results(values), 50) == bootstrap(results(values), 50)).all()
    assert (bootstrap(results(values), 50, seed=1) != bootstrap(results(values), 50)).any()


def test_the_maximum_is_taken_of_each_resamples_own_mean_curve() -> None:
    curves = np.eye(5)  # each image is perfect at a threshold of its own
    found = results([1, 0, 0, 0, 0], curves)
    assert needed_curves(found.measures, PROTOCOL) == ("f",)
    assert data_set(found).tolist() == pytest.approx([0.2, 0.2])
    random = np.random.default_rng(0)
    draws = random.integers(5, size=(30, 5))
    shares = [np.bincount(draw, minlength=5).max() / 5 for draw in draws]
    assert bootstrap(found, 30)[:, 1].tolist() == pytest.approx(shares)


def test_pairs_are_resampled_alike() -> None:
    values = np.random.default_rng(2).random(30)
    shifted = bootstrap(results(values + 0.25), 200) - bootstrap(results(values), 200)
    assert shifted[:, 0].tolist() == pytest.approx([0.25] * 200, abs=1e-6)


def test_sign_flips_are_those_of_all_assignments() -> None:
    first, second = np.array([0.9, 0.8, 0.7, 0.9]), np.array([0.5, 0.6, 0.8, 0.1])
    exact = [np.mean(np.array(signs) * (first - second)) for signs in product((1, -1), repeat=4)]
    flips = sign_flips(results(first), results(second), 3000)[:, 0]
    assert set(np.round(flips, 5)) == set(np.round(exact, 5))
    difference = float(np.mean(first - second))
    expected = np.mean(np.abs(exact) >= difference - 1e-9)
    assert p_value(flips, difference) == pytest.approx(expected, abs=0.03)
    assert p_value(np.zeros(9), 1.0) == pytest.approx(0.1)


def test_few_images_widen_the_interval_as_the_t_distribution_does() -> None:
    samples = np.random.default_rng(3).standard_normal(200_000)
    assert interval(samples, 1_000_000)[1] == pytest.approx(1.96, abs=0.02)
    assert interval(samples, 10)[1] == pytest.approx(2.262 * np.sqrt(10 / 9), abs=0.04)


def test_holm_adjusts_in_order_of_the_values() -> None:
    assert holm(np.array([0.01, 0.04, 0.03])).tolist() == pytest.approx([0.03, 0.06, 0.06])


def test_labels_lose_their_seed_and_keep_their_refinement() -> None:
    labels = ["A", "A@1", "A@1+bilateral", "A+bilateral"]
    assert [base_of(label) for label in labels] == ["A", "A", "A+bilateral", "A+bilateral"]


def test_methods_are_compared_on_the_images_that_both_have() -> None:
    values = np.random.default_rng(4).random(20)
    first, second = results(values), results(values[:15] - 0.5)
    found = compare({"D": {"A": first, "B": second}}, 500)
    (pair,) = found.pairs
    assert (pair.images, pair.first, pair.second) == (15, "A", "B")
    assert pair.difference == pytest.approx(0.5)
    assert pair.p < 0.01
    assert found.p("D", "iou", "B", "A") == pair.p
    low, high = found.intervals["A", "D", "iou"]
    assert low < values.mean() < high


def test_seeds_are_one_method_and_their_variance_counts() -> None:
    values = np.random.default_rng(5).random(200)
    shifts = {"A@0": 0.0, "A@1": 0.02, "A@2": 0.04, "B": 0.03}
    methods = {label: results(values + shift) for label, shift in shifts.items()}
    (pair,) = compare({"D": methods}, 300).pairs
    assert (pair.first, pair.difference) == ("A", pytest.approx(-0.01))
    assert pair.p > 0.2  # although B is better than the mean of A on every image
    singles = {"A": methods["A@1"], "B": methods["B"]}
    assert compare({"D": singles}, 300).pairs[0].p < 0.01
    assert compare({"D": methods}, 300, against="C").pairs == []
