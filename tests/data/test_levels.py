import torch

from sod.data.levels import from_levels, to_levels


def test_every_grey_level_survives_and_the_ends_are_exact() -> None:
    levels = torch.arange(256, dtype=torch.uint8)
    values = from_levels(levels)
    assert torch.equal(to_levels(values), levels)
    assert values[[0, 51, 255]].tolist() == [0.0, torch.tensor(0.2).item(), 1.0]


def test_values_take_the_nearest_level_and_clip() -> None:
    values = torch.tensor([-0.1, 0.0, 1.4 / 255, 1.6 / 255, 1.0, 1.1])
    assert to_levels(values).tolist() == [0, 0, 1, 2, 255, 255]
