import torch

from sod.nn.decoders.cascade import Cascade
from sod.nn.resize import resize


def test_context_flows_from_coarse_to_fine_only() -> None:
    cascade = Cascade([3, 5, 7], width=8)
    features = [torch.randn(1, 3, 9, 7), torch.randn(1, 5, 5, 4), torch.randn(1, 7, 5, 4)]
    for maps in features:
        maps.requires_grad_()
    decoded = cascade(features)
    assert [tuple(maps.shape) for maps in decoded] == [(1, 8, 9, 7), (1, 8, 5, 4), (1, 8, 5, 4)]
    decoded[1].sum().backward()
    assert features[0].grad is None
    decoded = cascade(features)
    decoded[0].square().sum().backward()
    for maps in features:
        assert maps.grad is not None
        assert maps.grad.abs().sum() > 0


def test_narrower_fine_levels_see_the_coarse_context_through_a_projection() -> None:
    torch.manual_seed(0)
    cascade = Cascade([3, 5], width=16, widths=[8, 16])
    fine, coarse = torch.randn(1, 3, 6, 4), torch.randn(1, 5, 3, 2)
    decoded = cascade([fine, coarse])
    assert [maps.shape[1] for maps in decoded] == [8, 16]
    context = resize(cascade.narrowings[0](decoded[1]), (6, 4))
    joined = torch.cat([cascade.laterals[0](fine), context], dim=1)
    torch.testing.assert_close(decoded[0], context + cascade.fusions[0](joined))


def test_equal_widths_have_no_projection() -> None:
    names = Cascade([3, 5], width=16, widths=[16, 16]).state_dict()
    assert names.keys() == Cascade([3, 5], width=16).state_dict().keys()
    assert not [name for name in names if "narrowings" in name]


def test_relation_layers_connect_distant_positions() -> None:
    torch.manual_seed(0)
    cascade = Cascade([4], width=8, relation=False, layers=1)
    torch.nn.init.normal_(cascade.layers[0].far.output.weight)
    features = torch.randn(1, 4, 9, 9, requires_grad=True)
    cascade([features])[0][..., 0, 0].square().sum().backward()
    assert features.grad is not None
    assert features.grad[..., 8, 8].abs().sum() > 0


def test_channels_of_the_deepest_level_are_dropped_in_training_only() -> None:
    torch.manual_seed(0)
    cascade = Cascade([4, 6], width=8, dropout=0.5)
    features = [torch.randn(1, 4, 6, 6), torch.randn(1, 6, 3, 3)]
    seen: list[torch.Tensor] = []
    cascade.dropout.register_forward_hook(lambda _, given, kept: seen.extend((given[0], kept)))
    assert not torch.equal(cascade(features)[1], cascade(features)[1])
    given, kept = seen[:2]
    assert given.shape == (1, 6, 3, 3)  # the deepest level alone
    assert len(seen) == 4
    dropped = kept[0].flatten(1).abs().sum(1) == 0
    assert 0 < dropped.sum() < 6
    torch.testing.assert_close(kept[0, ~dropped], 2 * given[0, ~dropped])
    cascade.eval()
    assert torch.equal(cascade(features)[0], cascade(features)[0])
    assert torch.equal(seen[-1], seen[-2])
