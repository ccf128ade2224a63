from collections.abc import Callable

import numpy as np
import pytest
import scipy.ndimage as ndi
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from torch import Tensor

from sod.refinement import binarise, fill_holes, largest_component, mask_iou, seed_component
from sod.refinement.masks import _fill_holes_by_sweeps, border_pixels

SIDES = st.integers(1, 12)
MASKS = st.tuples(st.just(2), st.just(1), SIDES, SIDES).flatmap(lambda s: hnp.arrays(bool, s))


def mask(*rows: str) -> Tensor:
    return torch.tensor([[symbol == "#" for symbol in row] for row in rows])[None, None]


@pytest.mark.parametrize("fill", [fill_holes, _fill_holes_by_sweeps])
@settings(max_examples=60, deadline=None)
@given(masks=MASKS)
def test_holes_are_those_of_scipy(fill: Callable[[Tensor], Tensor], masks: np.ndarray) -> None:
    expected = np.stack([ndi.binary_fill_holes(m[0])[None] for m in masks])
    torch.testing.assert_close(fill(torch.tensor(masks)), torch.tensor(expected))


@settings(max_examples=60, deadline=None)
@given(MASKS)
def test_largest_component_has_the_size_of_scipys(masks: np.ndarray) -> None:
    largest = largest_component(torch.tensor(masks)).numpy()
    for before, after in zip(masks[:, 0], largest[:, 0], strict=True):
        labels, count = ndi.label(before)
        sizes = np.bincount(labels.ravel(), minlength=count + 1)[1:]
        assert after.sum() == (sizes.max() if count else 0)
        assert ndi.label(after)[1] == min(count, 1)
        assert not (after & ~before).any()


@settings(max_examples=60, deadline=None)
@given(MASKS, st.integers(0, 143))
def test_seed_component_is_that_of_scipy(masks: np.ndarray, seed: int) -> None:
    seeds = torch.tensor([seed % masks[0].size, 0])
    components = seed_component(torch.tensor(masks), seeds).numpy()
    for before, after, index in zip(masks[:, 0], components[:, 0], seeds.tolist(), strict=True):
        labels, _ = ndi.label(before)
        label = labels.flat[index]
        np.testing.assert_array_equal(after, (labels == label) & (label > 0))


def test_diagonal_neighbours_are_two_components() -> None:
    component = seed_component(mask("##.", "..#", "..#"), torch.tensor([0]))
    torch.testing.assert_close(component, mask("##.", "...", "..."))


def test_a_hole_with_a_diagonal_gap_is_filled() -> None:
    torch.testing.assert_close(fill_holes(mask(".#.", "#.#", ".#.")), mask(".#.", "###", ".#."))


def test_an_object_above_half_of_the_image_stays_the_object() -> None:
    soft = torch.full((1, 1, 10, 10), 0.9)
    soft[..., 0] = 0.1
    soft[..., 4, 4] = 0.1
    expected = torch.ones(1, 1, 10, 10, dtype=torch.bool)
    expected[..., 0] = False
    torch.testing.assert_close(binarise(soft), expected)


def test_all_components_are_kept() -> None:
    rows = ("#..##", "#..##")
    torch.testing.assert_close(binarise(mask(*rows).float()), mask(*rows))


def test_one_half_is_background() -> None:
    assert not binarise(torch.full((1, 1, 3, 3), 0.5)).any()


def test_empty_and_full_masks_are_defined() -> None:
    empty = torch.zeros(2, 1, 3, 4, dtype=torch.bool)
    for function in (fill_holes, largest_component, _fill_holes_by_sweeps):
        torch.testing.assert_close(function(empty), empty)
        torch.testing.assert_close(function(~empty), ~empty)
    torch.testing.assert_close(seed_component(empty, torch.tensor([0, 11])), empty)


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        (("##.", "##."), (".##", "..."), 1 / 5),
        (("##.", "##."), ("##.", "##."), 1.0),
        (("#..", "..."), ("..#", "..."), 0.0),
        (("...", "..."), ("#..", "..."), 0.0),
    ],
)
def test_iou_of_boolean_masks(
    left: tuple[str, ...], right: tuple[str, ...], expected: float
) -> None:
    result = mask_iou(mask(*left), mask(*right))
    assert result.shape == (1, 1)
    assert result.item() == pytest.approx(expected)
    assert mask_iou(mask(*right), mask(*left)).item() == pytest.approx(expected)
    assert mask_iou(mask(*left).float(), mask(*right).float()).item() == pytest.approx(expected)


def test_iou_of_soft_masks_is_minimum_over_maximum() -> None:
    left, right = torch.tensor([[0.5, 1.0, 0.0]]), torch.tensor([[0.25, 0.5, 0.5]])
    assert mask_iou(left, right).item() == pytest.approx(0.75 / 2.0)
    assert mask_iou(left, left).item() == 1


@pytest.mark.parametrize("dtype", [torch.bool, torch.float32])
def test_iou_of_two_empty_masks_is_an_option(dtype: torch.dtype) -> None:
    empty = torch.zeros(2, 3, 4, dtype=dtype)
    assert mask_iou(empty, empty).tolist() == [1, 1]
    assert mask_iou(empty, empty, empty=0.0).tolist() == [0, 0]


def test_iou_of_soft_masks_smaller_than_a_pixel() -> None:
    faint = torch.tensor([[0.2, 0.0]])
    assert mask_iou(faint, 2 * faint).item() == pytest.approx(0.5)


def test_iou_broadcasts() -> None:
    masks = torch.cat([mask("##", ".."), mask("##", "##"), mask("..", "..")])
    pairs = mask_iou(masks[:, None, 0], masks[None, :, 0])
    assert pairs.tolist() == [[1, 0.5, 0], [0.5, 1, 0], [0, 0, 1]]


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((1, 1), [0]),
        ((1, 3), [0, 1, 2]),
        ((3, 1), [0, 1, 2]),
        ((4, 5), [0, 1, 2, 3, 4, 5, 9, 10, 14, 15, 16, 17, 18, 19]),
    ],
)
def test_border_pixels_are_the_outermost_ones(shape: tuple[int, int], expected: list[int]) -> None:
    maps = torch.arange(shape[0] * shape[1]).view(1, *shape)
    assert sorted(border_pixels(maps)[0].tolist()) == expected
