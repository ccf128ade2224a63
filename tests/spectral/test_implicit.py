"""Graphs without a matrix, compared with the matrix."""

import pytest
import torch
from helpers.spectral_cases import clusters, oracle
from torch import Tensor

from sod.core.errors import SodError
from sod.spectral import Graph, affinity, bipartition, normalized_cut, threshold_sweep
from sod.spectral.eigen import implicit_eigenvector
from sod.spectral.implicit import ImplicitGraph, is_large

KINDS = {"held": ("binary", 2**20), "binary": ("binary", 0), "weighted": ("weighted", 0)}


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sod.spectral.implicit.BLOCK", 24)


@pytest.fixture(params=KINDS)
def graph(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Graph:
    kind, held = KINDS[request.param]
    monkeypatch.setattr("sod.spectral.implicit.HELD_BYTES", held)
    return kind  # type: ignore[return-value]


@pytest.mark.parametrize("count", [7, 48, 101])
def test_products_are_those_of_the_matrix(graph: Graph, count: int) -> None:
    tokens = clusters(count, count)
    tokens[3] = 0  # similar to nothing
    weights = affinity(tokens, 0.2, 0.01, graph)
    implicit = ImplicitGraph(tokens, 0.2, 0.01, graph)
    vector = torch.randn(count, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(implicit.degrees(), weights.sum(1), atol=1e-6, rtol=0)
    torch.testing.assert_close(implicit.product(vector), weights @ vector, atol=1e-6, rtol=0)
    columns = [implicit.product(unit) for unit in torch.eye(count, dtype=torch.float64)]
    assert torch.equal(torch.stack(columns), torch.stack(columns).T)


def test_the_eigenvector_is_that_of_the_dense_solver(graph: Graph) -> None:
    for seed in range(3):
        tokens = clusters(200, seed)
        expected = oracle(affinity(tokens, 0.2, graph=graph))
        vector = implicit_eigenvector(ImplicitGraph(tokens, 0.2, graph=graph))
        torch.testing.assert_close(vector, expected, atol=1e-7, rtol=1e-6)
        assert torch.equal(bipartition(vector), bipartition(expected))


def test_cuts_are_those_with_the_matrix(graph: Graph, monkeypatch: pytest.MonkeyPatch) -> None:
    scenes = [clusters(143, seed).T.reshape(6, 11, 13) for seed in range(3)]
    expected = [normalized_cut(features, 0.3, graph=graph) for features in scenes]
    swept = threshold_sweep(scenes[0], [0.1, 0.5])
    monkeypatch.setattr("sod.spectral.implicit.MATRIX_TOKENS", 142)
    monkeypatch.delattr("sod.spectral.cut.affinity")  # the matrix cannot be built any more
    monkeypatch.delattr("sod.spectral.sweep.similarities")
    cuts = [normalized_cut(features, 0.3, graph=graph) for features in scenes]
    cuts += threshold_sweep(scenes[0], [0.1, 0.5])
    for cut, dense in zip(cuts, expected + swept, strict=True):
        assert cut.seed == dense.seed
        torch.testing.assert_close(cut.eigenvector, dense.eigenvector, atol=1e-6, rtol=0)
        assert torch.equal(cut.partition, dense.partition)
        assert torch.equal(cut.component, dense.component)


@pytest.mark.parametrize(
    "features",
    [
        torch.full((3, 5, 7), 0.3),
        torch.zeros(3, 5, 7),
        torch.ones(3, 1, 1),
        torch.eye(28).view(28, 4, 7),
    ],
    ids=["similar", "zero", "single", "dissimilar"],
)
def test_graphs_with_equal_edges_are_not_cut(
    features: Tensor, graph: Graph, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sod.spectral.implicit.MATRIX_TOKENS", 0)
    cut = normalized_cut(features, graph=graph)
    assert cut.seed is None
    assert not cut.partition.any()


def test_one_other_edge_is_enough_for_a_cut(graph: Graph, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sod.spectral.implicit.MATRIX_TOKENS", 0)
    features = torch.eye(28)
    features[27] = features[2]  # in different blocks
    cut = normalized_cut(features.T.reshape(28, 4, 7), graph=graph)
    assert cut.partition.flatten().nonzero()[:, 0].tolist() == [2, 27]


def test_without_a_gap_the_cut_is_nearly_the_best(monkeypatch: pytest.MonkeyPatch) -> None:
    # Tokens on an arc, each similar to the next ones: the eigenvalues are close to each other.
    angle = torch.linspace(0, 12, 400, dtype=torch.float64)
    tokens = torch.stack([angle.cos(), angle.sin(), angle / 3], 1)
    weights = affinity(tokens, 0.9)
    degrees = weights.sum(1)

    def value(vector: Tensor) -> float:
        return float(vector @ (degrees * vector - weights @ vector) / (vector @ (degrees * vector)))

    best = value(oracle(weights))
    monkeypatch.setattr("sod.spectral.lanczos.MAX_STEPS", 14)
    vector = implicit_eigenvector(ImplicitGraph(tokens, 0.9))
    assert best <= value(vector) < best + 1e-3
    assert abs(float(vector @ degrees)) < 1e-6


def test_unusable_input_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sod.spectral.implicit.MATRIX_TOKENS", 0)
    with pytest.raises(SodError, match="NaN or infinite"):
        normalized_cut(torch.full((3, 2, 2), torch.nan))
    with pytest.raises(SodError, match="eps is 0"):
        normalized_cut(torch.rand(3, 2, 2), eps=0)


def test_the_default_size_keeps_its_matrix() -> None:
    # 6,400 tokens at most; rounding to whole patches adds some to narrow images.
    assert not is_large(8192)
    assert is_large(8193)
