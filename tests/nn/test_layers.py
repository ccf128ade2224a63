import pytest
import torch

from sod.nn.layers import ChannelDropout


def test_whole_channels_are_dropped_and_the_others_scaled_up() -> None:
    torch.manual_seed(0)
    result = ChannelDropout(0.25)(torch.ones(50, 40, 2, 3))
    assert result.unique().tolist() == pytest.approx([0, 4 / 3])
    assert torch.equal(result, result[..., :1, :1].expand_as(result))
    assert result.mean().item() == pytest.approx(1, abs=0.05)


def test_dropped_channels_do_not_depend_on_interruptions_or_processes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    dropout, features = ChannelDropout(0.5), torch.ones(4, 30, 1, 1)
    dropout(features)
    state = {name: value.clone() for name, value in dropout.state_dict().items()}
    expected = dropout(features)
    for rank in range(2):
        resumed = ChannelDropout(0.5)
        resumed.load_state_dict(state)
        monkeypatch.setattr("sod.nn.layers.rank_and_world_size", lambda rank=rank: (rank, 2))
        assert torch.equal(resumed(features[rank::2]), expected[rank::2])
