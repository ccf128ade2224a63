"""The head's standardisation and the label-free start of PEEKABOO."""

import pytest
import torch

from sod.labels.initial_targets import tokencut_masks, trust_in
from sod.nn.decoders.patch_head import PatchHead, Standardise
from sod.refine import BilateralGrid, refine_targets


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


def test_a_head_without_opinion_says_zero_and_a_seed_decides_the_other() -> None:
    assert not PatchHead(3, zero_init=True)(features(0)).any()
    head = PatchHead(3)
    head.reset(seed=4)
    first = head(features(0))
    head.reset(seed=4)
    assert torch.equal(head(features(0)), first)
    head.reset(seed=5)
    assert not torch.equal(head(features(0)), first)


def test_trust_rises_with_the_contrast_to_the_border() -> None:
    soft = torch.zeros(4, 1, 10, 10)
    soft[0, :, 3:6, 3:6] = 1.0  # contrast 1
    soft[1, :, 3:6, 3:6] = 0.45  # in the middle
    soft[2] = 0.8  # no contrast
    assert trust_in(soft).tolist() == pytest.approx([1.0, 0.5, 0.1, 0.1])


def test_the_solvers_output_comes_with_the_targets() -> None:
    images = torch.full((1, 3, 32, 32), 0.2)
    images[..., 8:24, 8:24] = 0.8
    masks = torch.zeros(1, 1, 4, 4, dtype=torch.bool)
    masks[..., 1:3, 1:3] = True
    full = torch.nn.functional.interpolate(masks.float(), (32, 32), mode="bilinear")
    soft = refine_targets(images, masks).soft
    assert torch.equal(soft, BilateralGrid(images).solve(full))
    assert soft[..., 12:20, 12:20].min() > 0.5


def test_the_first_masks_are_the_seeds_components() -> None:
    tokens = torch.zeros(2, 2, 6, 6)
    tokens[:, 0] = 1
    tokens[0, :, 1:3, 1:4] = torch.tensor([0.0, 1.0])[:, None, None]
    masks = tokencut_masks(tokens, 0.2)
    assert masks.shape == (2, 1, 6, 6)
    assert masks[0, 0].nonzero().tolist() == [[y, x] for y in (1, 2) for x in (1, 2, 3)]
    assert not masks[1].any()  # nothing stands out
