"""Standardisation of features by the statistics of the first batches."""

import torch

from sod.nn.backbones.descriptor import Descriptor
from sod.nn.backbones.standardised import StandardisedBackbone
from sod.nn.decoders.patch_head import PatchHead
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


def test_channels_are_summed_in_parts_as_they_are_together() -> None:
    batch = torch.randn(3, 150, 5, 7, generator=torch.Generator().manual_seed(0)) + 5
    standardise = Standardise(150)
    standardise.observe(batch)
    values = batch.double().transpose(0, 1).flatten(1)
    assert torch.equal(standardise.total, values.sum(1))
    assert torch.equal(standardise.squares, values.square().sum(1))
    assert standardise.count == 3 * 5 * 7


def test_half_precision_neither_overflows_nor_loses_the_statistics() -> None:
    # Sums of squares of such features exceed 65504, the largest number of float16.
    large = (1000 + 300 * torch.randn(4, 3, 20, 20)).half()
    exact, half = Standardise(3), Standardise(3).half()
    for standardise in (exact, half):
        standardise.observe(large)
    assert half.total.dtype == torch.float64
    assert torch.equal(half.squares, exact.squares)
    result = half(large)
    assert result.dtype == torch.float32
    assert torch.equal(result, exact(large.float()))
    torch.testing.assert_close(result.mean((0, 2, 3)), torch.zeros(3), atol=1e-4, rtol=0)
    torch.testing.assert_close(result.std((0, 2, 3), correction=0), torch.ones(3))


def test_a_half_precision_module_may_follow() -> None:
    backbone = StandardisedBackbone(Descriptor()).half().train()
    images = torch.rand(2, 3, 32, 32).half()
    features = backbone(images)
    assert features.dtype == torch.float16
    assert torch.isfinite(features).all()
    assert torch.isfinite(PatchHead(28, standardise=True).half()(features)).all()
