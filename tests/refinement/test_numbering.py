import numpy as np
import torch

from sod.refinement.numbering import Numbering


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
