import numpy as np
import pytest
import scipy.linalg
import torch
from helpers.spectral_cases import clusters, oracle, path_graph
from hypothesis import given, settings
from hypothesis import strategies as st

from sod.spectral import Graph, NotConvergedError, affinity, bipartition, second_eigenvector
from sod.spectral.eigen import Method, first_peak
from sod.spectral.lanczos import TOLERANCE, _converged


@pytest.mark.parametrize("method", ["auto", "iterative", "dense"])
@pytest.mark.parametrize("graph", ["binary", "weighted"])
@pytest.mark.parametrize("count", [7, 40, 200])
def test_eigenvector_agrees_with_the_dense_oracle(method: Method, graph: Graph, count: int) -> None:
    for seed in range(5):
        weights = affinity(clusters(count, seed), 0.2, graph=graph)
        expected = oracle(weights)
        vector = second_eigenvector(weights, method)
        torch.testing.assert_close(vector, expected, atol=1e-8, rtol=1e-7)
        assert torch.equal(bipartition(vector), bipartition(expected))


@settings(max_examples=50, deadline=None)
@given(st.integers(2, 30), st.integers(0, 10**6))
def test_eigenvector_solves_the_generalized_problem(count: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    weights = torch.rand(count, count, dtype=torch.float64, generator=generator) + 0.01
    weights = weights + weights.T
    degrees = weights.sum(1)
    vector = second_eigenvector(weights)
    laplacian = torch.diag(degrees) - weights
    value = vector @ laplacian @ vector
    expected = scipy.linalg.eigvalsh(laplacian.numpy(), torch.diag(degrees).numpy())[1]
    torch.testing.assert_close(vector @ (degrees * vector), torch.ones((), dtype=torch.float64))
    assert float(value) == pytest.approx(expected, abs=1e-9)
    torch.testing.assert_close(laplacian @ vector, value * degrees * vector, atol=1e-7, rtol=0)
    assert vector[vector.abs().argmax()] > 0


def test_close_eigenvalues_are_separated() -> None:
    # Three tokens similar to none: two eigenvalues are about 1e-5 below the required one.
    generator = torch.Generator().manual_seed(0)
    linked = torch.rand(40, 40, generator=generator) > 0.5
    weights = torch.where(linked | linked.T, 1.0, 1e-5).double()
    weights[:3] = weights[:, :3] = 1e-5
    weights.fill_diagonal_(1.0)
    vector = second_eigenvector(weights, "iterative")
    torch.testing.assert_close(vector, oracle(weights), atol=1e-7, rtol=1e-6)
    torch.testing.assert_close(vector[:3], vector[:1].expand(3))


def test_without_a_gap_the_dense_solver_is_used() -> None:
    weights = path_graph(700)
    with pytest.raises(NotConvergedError, match="no gap"):
        second_eigenvector(weights, "iterative")
    torch.testing.assert_close(second_eigenvector(weights), oracle(weights), atol=1e-8, rtol=0)


def test_repeated_eigenvalues_give_the_same_solution_each_time() -> None:
    weights = torch.block_diag(*[torch.ones(4, 4, dtype=torch.float64)] * 3).clamp_min(0.01)
    vector = second_eigenvector(weights)
    degree = float(weights.sum(1)[0])
    # Blocks of four: each eigenvalue of the quotient is (4 - 4 * 0.01) / degree, twice.
    torch.testing.assert_close(weights @ vector, (4 - 0.04) / degree * degree * vector)
    assert torch.equal(vector, second_eigenvector(weights.clone()))


def test_two_blocks_are_cut_at_the_smaller_one() -> None:
    # By hand: y is D-orthogonal to 1 and constant on each block, so that it is proportional to
    # 1 / volume with opposite signs. The smaller block contains the seed.
    weights = torch.full((5, 5), 0.1, dtype=torch.float64)
    weights[:3, :3] = 1.0
    weights[3:, 3:] = 1.0
    volumes = torch.tensor([3 * 3.2, 2 * 2.3])
    values = torch.tensor([-1 / volumes[0], 1 / volumes[1]]).double()
    values = values / (volumes * values**2).sum().sqrt()
    vector = second_eigenvector(weights)
    torch.testing.assert_close(vector, values[[0, 0, 0, 1, 1]], atol=1e-7, rtol=1e-6)
    assert bipartition(vector).tolist() == [False] * 3 + [True] * 2
    assert first_peak(vector) == 3


@pytest.mark.parametrize(("residual", "converged"), [(0.29, True), (0.31, False)])
def test_the_gap_shrinks_by_the_next_residual(residual: float, converged: bool) -> None:
    # The gap from 1.0 to 0.5 is 0.3 at least, where the residual of 0.5 is 0.2.
    values = np.array([0.0, 0.5, 1.0])
    assert _converged(values, np.array([9.0, 0.2, residual * TOLERANCE])) is converged


@pytest.mark.parametrize("graph", ["binary", "weighted"])
def test_graphs_of_a_batch_are_solved_as_each_alone(graph: Graph) -> None:
    # The third graph has no gap: it alone falls back to the dense solver.
    batch = [affinity(clusters(400, seed), 0.2, graph=graph) for seed in range(3)]
    batch.insert(2, path_graph(400))
    together = second_eigenvector(torch.stack(batch))
    for vector, weights in zip(together, batch, strict=True):
        torch.testing.assert_close(vector, oracle(weights), atol=1e-8, rtol=1e-7)
        assert torch.equal(bipartition(vector), bipartition(second_eigenvector(weights)))
    with pytest.raises(NotConvergedError, match="no gap"):
        second_eigenvector(torch.stack(batch), "iterative")
