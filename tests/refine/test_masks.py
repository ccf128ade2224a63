import numpy as np
import pytest
import scipy.ndimage as ndi
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from torch import Tensor

from sod.refine import binarise, fill_holes, largest_component, seed_component, tight_boxes
from sod.refine.masks import Mode, _fill_holes_by_sweeps

SIDES = st.integers(1, 12)
MASKS = st.tuples(st.just(2), st.just(1), SIDES, SIDES).flatmap(lambda s: hnp.arrays(bool, s))


def mask(*rows: str) -> Tensor:
    return torch.tensor([[symbol == "#" for symbol in row] for row in rows])[None, None]


@settings(max_examples=60, deadline=None)
@given(MASKS)
def test_holes_are_those_of_scipy(masks: np.ndarray) -> None:
    expected = np.stack([ndi.binary_fill_holes(m[0])[None] for m in masks])
    torch.testing.assert_close(fill_holes(torch.tensor(masks)), torch.tensor(expected))


@settings(max_examples=60, deadline=None)
@given(MASKS)
def test_holes_filled_by_sweeps_are_those_of_scipy(masks: np.ndarray) -> None:
    expected = np.stack([ndi.binary_fill_holes(m[0])[None] for m in masks])
    filled = _fill_holes_by_sweeps(torch.tensor(masks))
    torch.testing.assert_close(filled, torch.tensor(expected))


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
    kept = seed_component(torch.tensor(masks), seeds).numpy()
    for before, after, place in zip(masks[:, 0], kept[:, 0], seeds.tolist(), strict=True):
        labels, _ = ndi.label(before)
        label = labels.flat[place]
        np.testing.assert_array_equal(after, (labels == label) & (label > 0))


@settings(max_examples=60, deadline=None)
@given(MASKS)
def test_boxes_are_those_of_scipy(masks: np.ndarray) -> None:
    boxes = tight_boxes(torch.tensor(masks)).tolist()
    for before, box in zip(masks[:, 0], boxes, strict=True):
        slices = ndi.find_objects(before.astype(int))
        expected = [0, 0, 0, 0]
        if slices:
            rows, columns = slices[0]
            expected = [columns.start, rows.start, columns.stop, rows.stop]
        assert box == expected


def test_diagonal_neighbours_are_two_components() -> None:
    kept = seed_component(mask("##.", "..#", "..#"), torch.tensor([0]))
    torch.testing.assert_close(kept, mask("##.", "...", "..."))


def test_a_diagonal_gap_does_not_drain_a_hole() -> None:
    torch.testing.assert_close(fill_holes(mask(".#.", "#.#", ".#.")), mask(".#.", "###", ".#."))


@pytest.mark.parametrize("mode", ["single", "multi"])
def test_an_object_above_half_of_the_image_stays_the_object(mode: Mode) -> None:
    soft = torch.full((1, 1, 10, 10), 0.9)
    soft[..., 0] = 0.1
    soft[..., 4, 4] = 0.1
    expected = torch.ones(1, 1, 10, 10, dtype=torch.bool)
    expected[..., 0] = False
    torch.testing.assert_close(binarise(soft, mode), expected)


def test_single_keeps_the_largest_and_multi_all() -> None:
    soft = mask("#..##", "#..##").float()
    torch.testing.assert_close(binarise(soft, "multi"), mask("#..##", "#..##"))
    torch.testing.assert_close(binarise(soft, "single"), mask("...##", "...##"))


def test_one_half_is_background() -> None:
    assert not binarise(torch.full((1, 1, 3, 3), 0.5), "multi").any()


def test_empty_and_full_masks_are_defined() -> None:
    empty = torch.zeros(2, 1, 3, 4, dtype=torch.bool)
    for change in (fill_holes, largest_component, _fill_holes_by_sweeps):
        torch.testing.assert_close(change(empty), empty)
        torch.testing.assert_close(change(~empty), ~empty)
    torch.testing.assert_close(seed_component(empty, torch.tensor([0, 11])), empty)
    assert tight_boxes(empty).tolist() == [[0, 0, 0, 0]] * 2
    assert tight_boxes(~empty).tolist() == [[0, 0, 4, 3]] * 2
