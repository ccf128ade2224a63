"""The light head of FOUND and PEEKABOO."""

import torch

from sod.nn.decoders.patch_head import PatchHead


def test_zero_weights_give_zero_logits_and_a_seed_decides_random_ones() -> None:
    features = torch.randn(2, 3, 5, 6, generator=torch.Generator().manual_seed(0))
    assert not PatchHead(3, zero_init=True)(features).any()
    head = PatchHead(3)
    head.reset(seed=4)
    first = head(features)
    head.reset(seed=4)
    assert torch.equal(head(features), first)
    head.reset(seed=5)
    assert not torch.equal(head(features), first)
