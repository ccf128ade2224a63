import pytest
import torch
from helpers.spectral_cases import clusters
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import label
from torch import Tensor

from sod.core.errors import SodError
from sod.spectral import Graph, bipartition, normalized_cut, normalized_cuts


def test_partition_is_strict_and_does_not_depend_on_the_sign() -> None:
    vector = torch.tensor([-3.0, 0.0, 1.0, 2.0, 0.0])  # the mean is 0
    expected = [True, False, False, False, False]
    assert bipartition(vector).tolist() == expected
    assert bipartition(-vector).tolist() == expected
    assert not bipartition(torch.full((4,), 0.5)).any()
    together = torch.stack([vector, vector.flip(0), -vector])
    assert bipartition(together).tolist() == [expected, expected[::-1], expected]


def test_object_is_found_on_a_grid() -> None:
    features = torch.zeros(2, 6, 8)
    features[0] = 1.0
    features[:, 2:4, 3:6] = torch.tensor([0.0, 1.0]).view(2, 1, 1)
    features[:, 0, 0] = torch.tensor([0.0, 1.0])  # similar, but not connected
    cut = normalized_cut(features)
    assert cut.seed == (0, 0)
    assert cut.partition.sum() == 7
    assert cut.component.sum() == 1
    features[:, 0, 0] = torch.tensor([1.0, 0.0])
    cut = normalized_cut(features)
    assert cut.seed == (2, 3)
    assert torch.equal(cut.component, features[1] == 1)
    assert cut.eigenvector.dtype == torch.float32
    assert torch.equal(cut.eigenvector > 0, cut.component)


@pytest.mark.parametrize("graph", ["binary", "weighted"])
@pytest.mark.parametrize(
    "features",
    [
        torch.full((3, 4, 5), 0.3),
        torch.zeros(3, 4, 5),
        torch.ones(3, 1, 1),
        torch.eye(6).view(6, 2, 3),
    ],
    ids=["similar", "zero", "single", "dissimilar"],
)
def test_without_a_salient_object_the_cut_is_empty(features: Tensor, graph: Graph) -> None:
    cut = normalized_cut(features, graph=graph)
    assert cut.seed is None
    for grid in (cut.eigenvector, cut.partition, cut.component):
        assert grid.shape == features.shape[1:]
        assert not grid.any()


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 5), st.integers(1, 5), st.integers(0, 10**6), st.floats(-1, 1))
def test_small_grids_give_finite_cuts(rows: int, columns: int, seed: int, tau: float) -> None:
    features = torch.randn(3, rows, columns, generator=torch.Generator().manual_seed(seed))
    for graph in ("binary", "weighted"):
        cut = normalized_cut(features, tau, graph=graph)
        assert torch.isfinite(cut.eigenvector).all()
        if cut.seed is not None:
            assert cut.eigenvector[cut.seed] >= cut.eigenvector.abs().max() * (1 - 1e-6)
            assert cut.component[cut.seed]
            labels, _ = label(cut.partition.numpy())
            component = torch.from_numpy(labels == labels[cut.seed])
            assert torch.equal(cut.component, component & cut.partition)
            mean = cut.eigenvector.double().mean()
            clear = (cut.eigenvector - mean).abs() > 1e-5 * cut.eigenvector.abs().max()
            assert torch.equal(cut.partition[clear], (cut.eigenvector > mean)[clear])
        assert (cut.partition | ~cut.component).all()
        assert cut.component.any() == (cut.seed is not None)


def test_unusable_input_is_named() -> None:
    features = torch.rand(3, 2, 2)
    features[0, 0, 0] = torch.nan
    with pytest.raises(SodError, match="NaN or infinite"):
        normalized_cut(features)
    with pytest.raises(SodError, match="eps is 0"):
        normalized_cut(torch.rand(3, 2, 2), eps=0)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_gpu_finds_the_same_cut() -> None:
    features = clusters(400, 0).T.reshape(6, 20, 20)
    expected, cut = normalized_cut(features), normalized_cut(features.cuda())
    assert cut.partition.is_cuda
    assert torch.equal(cut.partition.cpu(), expected.partition)
    assert cut.seed == expected.seed


def test_images_of_a_batch_are_cut_as_each_alone() -> None:
    features = torch.stack([clusters(48, seed).T.reshape(-1, 6, 8) for seed in range(4)])
    features[1] = 0.3  # nothing to cut
    cuts = normalized_cuts(features, 0.3)
    assert [cut.seed is None for cut in cuts] == [False, True, False, False]
    for tokens, cut in zip(features, cuts, strict=True):
        alone = normalized_cut(tokens, 0.3)
        assert alone.seed == cut.seed
        assert torch.equal(alone.eigenvector, cut.eigenvector)
        assert torch.equal(alone.component, cut.component)
