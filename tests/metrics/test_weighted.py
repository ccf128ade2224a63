import numpy as np
import pytest
import torch
from helpers.metric_reference import plain_s, plain_weighted
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from sod.metrics.structure import s_measure
from sod.metrics.weighted import weighted_f

SHAPES = arrays.array_shapes(min_dims=2, max_dims=2, max_side=14)
MASKS = arrays.arrays(np.bool_, SHAPES)


def own_weighted(values: np.ndarray, mask: np.ndarray) -> float:
    return weighted_f(torch.from_numpy(np.abs(values - mask)), torch.from_numpy(mask)).item()


@settings(max_examples=150, deadline=None)
@given(mask=MASKS, seed=st.integers(0, 9))
def test_weighted_f_agrees_with_its_definition(mask: np.ndarray, seed: int) -> None:
    values = np.random.default_rng(seed).random(mask.shape)
    assert own_weighted(values, mask) == pytest.approx(plain_weighted(values, mask), abs=1e-6)


@settings(max_examples=150, deadline=None)
@given(mask=MASKS, seed=st.integers(0, 9))
@example(mask=np.array([[1, 1, 1, 1], [1, 0, 1, 1]], bool), seed=6)  # one pixel has no variance
def test_s_measure_agrees_with_its_definition(mask: np.ndarray, seed: int) -> None:
    values = np.random.default_rng(seed).random(mask.shape)
    own = s_measure(torch.from_numpy(values), torch.from_numpy(mask))
    assert own.item() == pytest.approx(plain_s(values, mask), abs=1e-9)


@pytest.mark.parametrize("share", [0.001, 0.01, 0.1, 0.9])
def test_equally_near_objects_give_their_error_in_scipys_order(share: float) -> None:
    random = np.random.default_rng(int(1000 * share))
    mask, values = random.random((90, 110)) < share, random.random((90, 110))
    assert own_weighted(values, mask) == pytest.approx(plain_weighted(values, mask), abs=1e-6)


def test_a_perfect_map_scores_one_and_a_false_positive_weighs_more_far_away() -> None:
    mask = np.zeros((60, 60), bool)
    mask[20:30, 20:30] = True
    near, far = mask.astype(float), mask.astype(float)
    near[20:30, 30], far[20:30, 55] = 1, 1
    scores = [own_weighted(values, mask) for values in (mask.astype(float), near, far)]
    assert scores[0] == pytest.approx(1)
    assert scores[0] > scores[1] > scores[2]
