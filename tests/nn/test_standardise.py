"""Standardisation of features by the statistics of the first batches."""

import torch

from sod.nn.standardise import Standardise


def features(seed: int, channels: int = 3) -> torch.Tensor:
    values = torch.randn(4, channels, 5, 6, generator=torch.Generator().manual_seed(seed))
    return values * torch.tensor([1.0, 20.0, 0.01])[:channels, None, None] + 7


def test_all_batches_counted_decide_mean_and_deviation() -> None:
    standardise = Standardise(3, horizon=2)
    torch.testing.assert_close(standardise(features(0)), features(0))
    for seed in (0, 1, 2):  # the third comes after the horizon
        standardise.observe(features(seed))
    both = torch.cat([features(0), features(1)]).double()
    mean = both.mean((0, 2, 3), keepdim=True)
    deviation = both.std((0, 2, 3), correction=0, keepdim=True)
    wanted = (features(2).double() - mean) / deviation
    torch.testing.assert_close(standardise(features(2)), wanted.float(), atol=1e-4, rtol=1e-4)
