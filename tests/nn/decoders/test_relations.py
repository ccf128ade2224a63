import pytest
import torch
import torch.nn.functional as F

from sod.core.errors import SodError
from sod.nn.decoders.cascade import RelationBlock, RelationLayer


def test_an_untrained_relation_block_returns_its_input() -> None:
    features = torch.randn(2, 8, 5, 3)
    assert torch.equal(RelationBlock(8)(features), features)


def test_the_relation_block_is_attention_over_all_positions() -> None:
    torch.manual_seed(0)
    block = RelationBlock(8, heads=2)
    torch.nn.init.normal_(block.output.weight)
    features = torch.randn(1, 8, 3, 4)
    normed = (features - features.mean()) / (features.var(unbiased=False) + 1e-5).sqrt()
    queries = block.queries(normed).flatten(2)[0]
    keys, values = block.keys_values(normed).flatten(2)[0].split(8)
    heads = []
    for head in (slice(0, 4), slice(4, 8)):
        weights = (queries[head].T @ keys[head] / 2).softmax(dim=1)
        heads.append(values[head] @ weights.T)
    expected = features + block.output(torch.cat(heads).view(1, 8, 3, 4))
    torch.testing.assert_close(block(features), expected, rtol=1e-5, atol=1e-5)


def test_keys_are_averaged_if_there_are_too_many() -> None:
    torch.manual_seed(0)
    block = RelationBlock(8, max_keys=6)
    torch.nn.init.normal_(block.output.weight)
    coarse = torch.randn(1, 8, 2, 3)
    fine = F.interpolate(coarse, scale_factor=2, mode="nearest")
    # Squares of one value: the average is that value, and the attention equals the coarse one.
    expected = F.interpolate(block(coarse), scale_factor=2, mode="nearest")
    torch.testing.assert_close(block(fine), expected, rtol=1e-5, atol=1e-5)


def test_relation_heads_have_to_divide_the_width() -> None:
    with pytest.raises(SodError, match="width: 10 is not a multiple of the 4 relation heads"):
        RelationBlock(10)


def test_a_relation_layer_is_a_convolution_attention_and_an_mlp() -> None:
    torch.manual_seed(0)
    layer = RelationLayer(8)
    features = torch.randn(1, 8, 4, 5)
    near = features + layer.near(features)
    torch.testing.assert_close(layer(features), near)  # the rest starts at zero
    torch.nn.init.normal_(layer.far.output.weight)
    torch.nn.init.normal_(layer.narrow.weight)
    related = layer.far(near)
    normed = (related - related.mean()) / (related.var(unbiased=False) + 1e-5).sqrt()
    expected = related + layer.narrow(F.gelu(layer.widen(normed)))
    torch.testing.assert_close(layer(features), expected, rtol=1e-4, atol=1e-4)
