import pytest
import torch

from sod.spectral import affinity


def test_affinity_by_hand() -> None:
    features = torch.tensor([[2.0, 0.0], [0.6, 0.8], [0.0, 0.0], [-1.0, 0.0]])
    binary = affinity(features, 0.6, eps=0.01)
    e = 0.01
    assert binary.dtype == torch.float64
    expected = [[1, e, e, e], [e, 1, e, e], [e, e, e, e], [e, e, e, 1]]
    assert binary.tolist() == expected  # 0.6 is not above 0.6; zero is similar to nothing
    weighted = affinity(features, 0.5, eps=0.01, graph="weighted")
    assert weighted[0, 1] == pytest.approx(0.6)
    assert weighted[0, 3] == e
    assert torch.equal(weighted, weighted.T)
    half = affinity(features.half(), 0.5, eps=0.01)
    assert half.tolist() == [[1, 1, e, e], [1, 1, e, e], [e, e, e, e], [e, e, e, 1]]
