"""Agreement and combination of an ensemble's maps."""

import torch

from sod.labels.consensus import agreements, combine


def test_agreement_is_the_mean_over_the_others() -> None:
    maps = torch.zeros(3, 2, 2)
    maps[0, 0], maps[1, 0], maps[2] = 1, 1, 1
    expected = torch.tensor([(1 + 0.5) / 2, (1 + 0.5) / 2, 0.5])
    torch.testing.assert_close(agreements(maps), expected)
    assert agreements(maps[1:]).tolist() == [0.5, 0.5]
    assert agreements(maps[:1]).tolist() == [1.0]


def test_maps_are_joined_as_asked() -> None:
    maps = torch.tensor([0.0, 1.0]).view(2, 1, 1, 1, 1).expand(2, 2, 1, 3, 4)
    scores = torch.tensor([[0.5, 0.9], [1.0, 0.3]])
    assert combine(maps, scores, "mean")[:, 0, 0, 0].tolist() == [0.5, 0.5]
    assert combine(maps, scores, "best")[:, 0, 0, 0].tolist() == [1.0, 0.0]
    three = maps[:, :1].expand(2, 3, 1, 3, 4)
    best = combine(three, torch.tensor([[0.9, 0.2, 0.6], [0.1, 0.8, 0.5]]), "best")
    assert best[:, 0, 0, 0].tolist() == [0.0, 1.0, 0.0]
    weighted = combine(maps, scores, "weighted", power=2.0)[:, 0, 0, 0]
    torch.testing.assert_close(weighted, torch.tensor([1 / 1.25, 0.09 / 0.9]))
