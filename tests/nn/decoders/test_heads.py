import pytest
import torch
from helpers.network_cases import disc

from sod.core.errors import SodError
from sod.nn.connectivity.cube import cube_from_masks, saliency_from_logits
from sod.nn.connectivity.losses import ConnectivityWeights
from sod.nn.decoders.heads import BinaryHead, ConnectivityHead, Head, HeadConfig, build_head


def test_the_binary_head_is_a_linear_map_of_385_numbers() -> None:
    head = BinaryHead(384)
    assert sum(parameter.numel() for parameter in head.parameters()) == 385
    features = torch.randn(2, 384, 3, 5)
    expected = torch.einsum("bchw,c->bhw", features, head.predict.weight.flatten())
    logits = head(features)
    torch.testing.assert_close(logits[:, 0], expected + head.predict.bias, rtol=1e-4, atol=1e-5)
    assert torch.equal(head.saliency(logits), logits.sigmoid())


def test_heads_are_interchangeable() -> None:
    features, masks = torch.randn(2, 8, 6, 7), torch.rand(2, 1, 6, 7) > 0.5
    heads: list[Head] = [
        build_head(HeadConfig("binary", weights=ConnectivityWeights(dice=0.5, iou=2.0)), 8),
        build_head(HeadConfig("connectivity", "max", (1, 2)), 8),
    ]
    for head, outputs in zip(heads, (1, 16), strict=True):
        logits = head(features)
        assert logits.shape == (2, outputs, 6, 7)
        assert head.saliency(logits).shape == masks.shape
        assert head.losses(logits, masks)["loss"].requires_grad
    losses = heads[0].losses(heads[0](features), masks)
    total = losses["binary"] + 0.5 * losses["dice"] + 2 * losses["iou"]
    assert losses["loss"].item() == pytest.approx(total.item())
    logits = heads[1](features)
    assert torch.equal(heads[1].saliency(logits), saliency_from_logits(logits, "max", (1, 2)))


def test_a_perfect_cube_gives_the_mask() -> None:
    _, mask = disc(24, 30)
    logits = 40 * (2 * cube_from_masks(mask) - 1)
    head = ConnectivityHead(4, aggregation="max")
    torch.testing.assert_close(head.saliency(logits), mask.float())
    assert head.losses(logits, mask)["loss"] < 1e-6


def test_an_unknown_head_is_named() -> None:
    config = HeadConfig()
    config.kind = "binery"  # type: ignore[assignment]  # what a config file may hold
    with pytest.raises(SodError, match="Did you mean 'binary'"):
        build_head(config, 8)
