"""Errors that are made on purpose in masks."""

import pytest
import torch
from torch import Tensor

from sod.labels.estimates import made_errors
from sod.labels.estimates.made_errors import CHANGES, Change

SIDE = 32


def square(top: int, left: int, size: int) -> Tensor:
    mask = torch.zeros(SIDE, SIDE, dtype=torch.bool)
    mask[top : top + size, left : left + size] = True
    return mask


OBJECT, OTHER = square(10, 12, 8), square(2, 2, 10)


def many(change: Change) -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [change(OBJECT, OTHER, generator) for _ in range(40)]


def test_a_part_of_the_object_is_cut_away_along_a_line() -> None:
    left = [int(each.sum()) / 64 for each in many(made_errors.cut)]
    assert all(not (each & ~OBJECT).any() for each in many(made_errors.cut))
    assert 0.25 < min(left) < 0.45  # up to 70 % is cut away, and a row more or less
    assert 0.8 < max(left) <= 1
    empty = torch.zeros(SIDE, SIDE, dtype=torch.bool)
    assert not made_errors.cut(empty, OTHER, torch.Generator()).any()


@pytest.mark.parametrize(
    ("change", "sides"),
    [
        (made_errors.grow, [8 + 2 * radius for radius in (1, 2, 3, 4)]),  # an eighth of 32 pixels
        (made_errors.shrink, [8 - 2 * radius for radius in (1, 2)]),
    ],
)
def test_seams_are_added_or_taken_away(change: Change, sides: list[int]) -> None:
    wanted = [square(10 + (8 - side) // 2, 12 + (8 - side) // 2, side) for side in sides]
    found = many(change)
    assert all(any(torch.equal(each, one) for one in wanted) for each in found)
    assert all(any(torch.equal(each, one) for each in found) for one in wanted)


def test_masks_are_shifted_by_up_to_a_quarter() -> None:
    moved = [each.nonzero()[0].tolist() for each in many(made_errors.shift)]
    assert all(torch.equal(each, square(*each.nonzero()[0].tolist(), 8)) for each in
               many(made_errors.shift))  # fmt: skip
    downs, rights = [row - 10 for row, _ in moved], [column - 12 for _, column in moved]
    for steps in (downs, rights):
        assert -8 <= min(steps) < -5
        assert 5 < max(steps) <= 8


def test_what_leaves_the_image_is_lost() -> None:
    corner = square(0, 0, 8)
    generator = torch.Generator().manual_seed(0)
    areas = [int(made_errors.shift(corner, OTHER, generator).sum()) for _ in range(40)]
    assert min(areas) < 30
    assert max(areas) == 64


def test_another_mask_stands_in_or_is_added_in_part() -> None:
    assert all(torch.equal(each, OTHER) for each in many(made_errors.swap))
    pasted = many(made_errors.paste)
    assert all((each & OBJECT).sum() == 64 and not (each & ~(OBJECT | OTHER)).any()
               for each in pasted)  # fmt: skip
    added = [int((each & ~OBJECT).sum()) for each in pasted]
    whole = int((OTHER & ~OBJECT).sum())
    assert min(added) < whole / 2
    assert max(added) == whole


def test_a_generator_decides_and_the_first_change_is_none() -> None:
    assert len(set(CHANGES)) == 7
    assert all(torch.equal(each, OBJECT) for each in many(CHANGES[0]))
    for change in CHANGES:
        assert all(torch.equal(a, b) for a, b in zip(many(change), many(change), strict=True))
