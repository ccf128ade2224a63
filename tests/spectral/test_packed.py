import pytest
import torch

from sod.spectral.packed import PackedMatrix


@pytest.mark.parametrize("count", [5, 8, 21, 300])
def test_products_are_those_of_the_matrix(count: int) -> None:
    generator = torch.Generator().manual_seed(count)
    matrix = torch.rand(count, count, generator=generator) > 0.6
    vector = torch.randn(count, dtype=torch.float64, generator=generator)
    packed = PackedMatrix(count, torch.device("cpu"))
    for row in range(0, count, 16):
        for column in range(0, count, 16):
            packed.fill(row, column, matrix[row : row + 16, column : column + 16])
    torch.testing.assert_close(packed.product(vector), matrix.double() @ vector)


def test_eight_entries_take_a_byte_and_the_first_is_its_lowest_bit() -> None:
    packed = PackedMatrix(10, torch.device("cpu"))
    packed.fill(1, 8, torch.tensor([[True, True]]))
    packed.fill(2, 0, torch.tensor([[True, False, True, False, False, False, False, True]]))
    assert packed._bytes[:3].tolist() == [[0, 0], [0, 3], [133, 0]]
