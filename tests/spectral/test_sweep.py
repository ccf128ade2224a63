"""The cuts at several thresholds, compared with those made one by one."""

import pytest
import torch
from torch import Tensor

from sod.core.errors import SodError
from sod.spectral import normalized_cut, threshold_sweep

TAUS = (-0.5, 0.0, 0.2, 0.4, 0.6, 0.9)


def scene(seed: int) -> Tensor:
    """A blob of one direction on another, with noise, ``[8, 9, 12]``."""
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(8, 9, 12, generator=generator)
    features[0] += 2
    features[:, 2:7, 3:8] += 3 * torch.randn(8, 1, 1, generator=generator)
    return features


@pytest.mark.parametrize("seed", range(4))
def test_cuts_equal_those_made_one_by_one(seed: int) -> None:
    features = scene(seed)
    for tau, cut in zip(TAUS, threshold_sweep(features, TAUS), strict=True):
        expected = normalized_cut(features, tau)
        assert cut.seed == expected.seed
        assert torch.equal(cut.partition, expected.partition)
        assert torch.equal(cut.component, expected.component)
        torch.testing.assert_close(cut.eigenvector, expected.eigenvector, atol=1e-7, rtol=1e-7)


def test_graphs_with_equal_edges_are_not_cut() -> None:
    for features in (torch.ones(3, 4, 5), torch.zeros(3, 4, 5), torch.rand(3, 1, 1)):
        (cut,) = threshold_sweep(features, [0.3])
        assert cut.seed is None
        assert not cut.component.any()
    apart = torch.eye(6).view(6, 2, 3)
    assert threshold_sweep(apart, [0.3])[0].seed is None


def test_two_tokens_are_cut() -> None:
    features = torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 1.0]]).view(2, 1, 3)
    (cut,) = threshold_sweep(features, [0.5])
    assert torch.equal(cut.component, normalized_cut(features, 0.5).component)


def test_the_dense_solver_takes_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sod.spectral.lanczos.MAX_STEPS", 3)
    cuts = threshold_sweep(scene(0), TAUS)
    for tau, cut in zip(TAUS, cuts, strict=True):
        assert torch.equal(cut.component, normalized_cut(scene(0), tau).component)


def test_features_that_are_not_finite_are_refused() -> None:
    with pytest.raises(SodError, match="NaN or infinite"):
        threshold_sweep(torch.full((3, 2, 2), float("nan")), [0.3])
