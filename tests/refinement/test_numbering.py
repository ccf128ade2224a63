import numpy as np
import pytest
import torch
import torch.nn.functional as F

from sod.refinement.bilateral import bilateral_solver
from sod.refinement.numbering import Numbering

PARTS = ((0, 50), (40, 1), (80, 70))
"""Least key and number of keys of each part."""


def test_numbers_by_table_and_by_sorting_are_equal() -> None:
    keys = torch.randint(1, 99, (500,), generator=torch.Generator().manual_seed(0))
    table, sorting = Numbering(keys, 100), Numbering(keys, 10**9)
    all_keys = torch.arange(100)
    for numbering in (table, sorting):
        values, numbers, counts = np.unique(keys.numpy(), return_inverse=True, return_counts=True)
        np.testing.assert_array_equal(numbering.values.numpy(), values)
        np.testing.assert_array_equal(numbering.numbers.numpy(), numbers)
        np.testing.assert_array_equal(numbering.counts.numpy(), counts)
    assert table.find(all_keys).tolist() == sorting.find(all_keys).tolist()


def test_parts_are_numbered_as_the_whole() -> None:
    generator = torch.Generator().manual_seed(0)
    parts = [torch.randint(low, low + 40, (size,), generator=generator) for low, size in PARTS]
    keys = torch.cat(parts)
    whole, divided = Numbering(keys, 10**9), Numbering(keys, 10**9, [len(p) for p in parts])
    table = Numbering(keys, 130)
    wanted = torch.arange(130)
    for other in (divided, table):
        assert torch.equal(whole.values, other.values)
        assert torch.equal(whole.counts, other.counts)
        assert torch.equal(whole.numbers.long(), other.numbers.long())
        assert torch.equal(whole.find(wanted).long(), other.find(wanted).long())


def test_a_large_image_is_refined_as_a_small_one(monkeypatch: pytest.MonkeyPatch) -> None:
    images = F.interpolate(torch.rand(1, 3, 9, 9), (97, 60), mode="bilinear")
    targets = (images[:, :1] > 0.5).float()
    expected = bilateral_solver(images, targets, sigma_spatial=7.3)
    monkeypatch.setattr("sod.refinement.cells._LARGE", 900)
    assert torch.equal(bilateral_solver(images, targets, sigma_spatial=7.3), expected)
