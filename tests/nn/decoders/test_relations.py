"""Relations on the deep level, and the options of the network around them."""

import pytest
import torch
import torch.nn.functional as F

from sod.core.errors import SodError
from sod.nn.backbones.build import BackboneConfig
from sod.nn.backbones.pyramid import build_pyramid
from sod.nn.decoders.cascade import Cascade, RelationBlock, RelationLayer
from sod.nn.decoders.heads import HeadConfig
from sod.nn.decoders.network import CascadeNetwork, NetworkConfig, build_network, to_grid
from sod.nn.layers import ChannelDropout

FREE = BackboneConfig("descriptor", weights=None)
TOKENS = BackboneConfig(
    "vit_tiny_patch16_224", None, facet="token", block=1, pos_embed="timm", more=["token.3"]
)


def test_an_untrained_relation_block_passes_features_on() -> None:
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


def test_many_positions_are_averaged_before_they_are_looked_at() -> None:
    torch.manual_seed(0)
    block = RelationBlock(8, places=6)
    torch.nn.init.normal_(block.output.weight)
    coarse = torch.randn(1, 8, 2, 3)
    fine = F.interpolate(coarse, scale_factor=2, mode="nearest")
    # Squares of one value: their mean is that value, and the attention that of the coarse map.
    expected = F.interpolate(block(coarse), scale_factor=2, mode="nearest")
    torch.testing.assert_close(block(fine), expected, rtol=1e-5, atol=1e-5)


def test_relation_heads_have_to_divide_the_width() -> None:
    with pytest.raises(SodError, match="width: 10 is not a multiple of the 4 relation heads"):
        RelationBlock(10)


def test_a_relation_layer_is_near_far_and_each_position_for_itself() -> None:
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


def test_layers_carry_what_is_far_away() -> None:
    torch.manual_seed(0)
    cascade = Cascade([4], width=8, relation=False, layers=1)
    torch.nn.init.normal_(cascade.layers[0].far.output.weight)
    features = torch.randn(1, 4, 9, 9, requires_grad=True)
    cascade([features])[0][..., 0, 0].square().sum().backward()
    assert features.grad is not None
    assert features.grad[..., 8, 8].abs().sum() > 0


def test_dropout_leaves_out_channels_of_the_deep_level_in_training_only() -> None:
    torch.manual_seed(0)
    cascade = Cascade([4, 6], width=8, dropout=0.5)
    features = [torch.randn(1, 4, 6, 6), torch.randn(1, 6, 3, 3)]
    assert not torch.equal(cascade(features)[1], cascade(features)[1])
    cascade.eval()
    assert torch.equal(cascade(features)[0], cascade(features)[0])


def test_channels_are_left_out_whole_and_the_rest_makes_up_for_them() -> None:
    torch.manual_seed(0)
    left = ChannelDropout(0.25)(torch.ones(50, 40, 2, 3))
    assert left.unique().tolist() == pytest.approx([0, 4 / 3])
    assert torch.equal(left, left[..., :1, :1].expand_as(left))
    assert left.mean().item() == pytest.approx(1, abs=0.05)


def test_what_is_left_out_does_not_depend_on_interruptions_or_processes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    dropout, features = ChannelDropout(0.5), torch.ones(4, 30, 1, 1)
    dropout(features)
    state = {name: value.clone() for name, value in dropout.state_dict().items()}
    expected = dropout(features)
    for rank in range(2):
        resumed = ChannelDropout(0.5)
        resumed.load_state_dict(state)
        monkeypatch.setattr("sod.nn.layers.rank_and_count", lambda rank=rank: (rank, 2))
        assert torch.equal(resumed(features[rank::2]), expected[rank::2])


def test_merged_features_are_one_level() -> None:
    apart = build_pyramid(TOKENS, width=16)
    together = build_pyramid(TOKENS, width=16, merge=True)
    assert (apart.channels, apart.strides) == ((16, 16, 192, 192), (4, 8, 16, 16))
    assert (together.channels, together.strides) == ((16, 16, 384), (4, 8, 16))


@pytest.mark.parametrize(("finest", "strides"), [(4, (4, 8, 16)), (8, (8, 16)), (16, (16,))])
def test_the_finest_level_is_an_option(finest: int, strides: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    network = build_network(
        TOKENS, NetworkConfig(width=16, finest=finest, merge=True, layers=1), HeadConfig()
    )
    assert network.pyramid.strides == strides
    assert network.pyramid.channels == (16,) * (len(strides) - 1) + (384,)
    image = torch.rand(1, 3, 40, 50)
    network.losses(network(image), torch.ones(1, 1, 40, 50))["loss"].backward()
    for name, parameter in network.named_parameters():
        assert (parameter.grad is None) != parameter.requires_grad, name
    assert network.eval().saliency(image).shape == (1, 1, 40, 50)


def test_soft_cells_learn_the_share_of_their_salient_pixels() -> None:
    torch.manual_seed(0)
    mask = (torch.rand(1, 1, 32, 48) > 0.3).float()
    for soft in (True, False):
        config = NetworkConfig(decoder="linear", soft=soft)
        network = CascadeNetwork(build_pyramid(FREE, stem=False), HeadConfig("binary"), config)
        (logits,) = network(torch.rand(1, 3, 32, 48))
        cells = to_grid(mask, 8)
        cells = cells if soft else (cells > 0.5).float()
        expected = F.binary_cross_entropy_with_logits(logits, cells)
        torch.testing.assert_close(network.losses([logits], mask)["loss"], expected)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dropout": 1.0}, r"network.dropout: 1.0 is not in \[0, 1\)"),
        ({"layers": -1}, "network.layers: -1 is below 0"),
        ({"finest": 6}, "network.finest: 6 is none of 4, 8, 16"),
    ],
)
def test_options_that_mean_nothing_are_refused(options: dict[str, float], message: str) -> None:
    with pytest.raises(SodError, match=message):
        build_network(FREE, NetworkConfig(**options), HeadConfig())  # type: ignore[arg-type]
