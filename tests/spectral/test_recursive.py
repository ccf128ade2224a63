import torch

from sod.spectral import normalized_cut
from sod.spectral.recursive import recursive_cuts


def test_each_cut_finds_another_object() -> None:
    features = torch.zeros(3, 8, 8)
    features[0] = 1
    for channel, (rows, columns) in {
        1: (slice(1, 4), slice(1, 4)),
        2: (slice(5, 7), slice(5, 8)),
    }.items():
        features[:, rows, columns] = 0
        features[channel, rows, columns] = 1
    features += 0.01 * torch.rand(3, 8, 8, generator=torch.Generator().manual_seed(0))
    cuts = recursive_cuts(features, 2, tau=0.3)
    assert torch.equal(cuts[0], normalized_cut(features, 0.3).component)
    areas = sorted(int(cut.sum()) for cut in cuts)
    assert areas == [6, 9] or 9 in areas
    assert not (cuts[0] & cuts[1]).any()
    assert recursive_cuts(torch.ones(3, 4, 4), 3) == []
