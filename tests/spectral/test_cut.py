from pathlib import Path

import numpy as np
import pytest
import scipy.linalg
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from sod.core.errors import SodError
from sod.data.reading import read_image
from sod.nn.backbones.build import Backbone, BackboneConfig, build_backbone
from sod.nn.resize import lanczos_resize, saliency_size
from sod.spectral import (
    Graph,
    NotConvergedError,
    affinity,
    bipartition,
    normalized_cut,
    pixel_box,
    second_eigenvector,
)
from sod.spectral.cut import seed_component
from sod.spectral.eigen import Method, first_peak


def oracle(weights: Tensor) -> Tensor:
    """The published formulation: the dense generalized problem in double precision."""
    matrix = weights.double().cpu().numpy()
    degrees = np.diag(matrix.sum(1))
    _, vectors = scipy.linalg.eigh(degrees - matrix, degrees, subset_by_index=[1, 1])
    vector = torch.from_numpy(vectors[:, 0])
    return vector if vector[first_peak(vector)] > 0 else -vector


def clusters(count: int, seed: int, channels: int = 6) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    centres = torch.randn(3, channels, generator=generator)
    noise = 0.7 * torch.randn(count, channels, generator=generator)
    return centres[torch.randint(3, (count,), generator=generator)] + noise


def path_graph(count: int) -> Tensor:
    weights = torch.zeros(count, count, dtype=torch.float64)
    step = torch.arange(count - 1)
    weights[step, step + 1] = weights[step + 1, step] = 1.0
    return weights


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


def test_near_copies_of_the_eigenvalue_are_told_apart() -> None:
    # Three tokens similar to nothing: two eigenvalues lie about 1e-5 below the wanted one.
    generator = torch.Generator().manual_seed(0)
    linked = torch.rand(40, 40, generator=generator) > 0.5
    weights = torch.where(linked | linked.T, 1.0, 1e-5).double()
    weights[:3] = weights[:, :3] = 1e-5
    weights.fill_diagonal_(1.0)
    vector = second_eigenvector(weights, "iterative")
    torch.testing.assert_close(vector, oracle(weights), atol=1e-7, rtol=1e-6)
    torch.testing.assert_close(vector[:3], vector[:1].expand(3))


def test_without_a_gap_the_dense_solver_takes_over() -> None:
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
    # By hand: D-orthogonality to 1 and equal values per block make y proportional to
    # (1 / volume) with opposite signs, so the smaller block holds the seed.
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


def test_partition_is_strict_and_does_not_depend_on_the_sign() -> None:
    vector = torch.tensor([-3.0, 0.0, 1.0, 2.0, 0.0])  # the mean is 0
    expected = [True, False, False, False, False]
    assert bipartition(vector).tolist() == expected
    assert bipartition(-vector).tolist() == expected
    assert not bipartition(torch.full((4,), 0.5)).any()


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


def test_component_is_4_connected_and_boxed() -> None:
    partition = torch.tensor([[1, 1, 0, 0], [0, 0, 1, 0], [1, 0, 1, 1]]).bool()
    component, box = seed_component(partition, (2, 3))
    assert component.int().tolist() == [[0, 0, 0, 0], [0, 0, 1, 0], [0, 0, 1, 1]]
    assert box == (2, 1, 4, 3)
    assert pixel_box(box, 16, (40, 60)) == (32, 16, 60, 40)
    nothing, no_box = seed_component(partition, (0, 3))
    assert not nothing.any()
    assert no_box is None


def test_object_is_found_on_a_grid() -> None:
    features = torch.zeros(2, 6, 8)
    features[0] = 1.0
    features[:, 2:4, 3:6] = torch.tensor([0.0, 1.0]).view(2, 1, 1)
    features[:, 0, 0] = torch.tensor([0.0, 1.0])  # alike, but not connected
    cut = normalized_cut(features)
    assert cut.seed == (0, 0)
    assert cut.partition.sum() == 7
    assert cut.component.sum() == 1
    features[:, 0, 0] = torch.tensor([1.0, 0.0])
    cut = normalized_cut(features)
    assert (cut.seed, cut.box) == ((2, 3), (3, 2, 6, 4))
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
    ids=["alike", "zero", "single", "unlike"],
)
def test_where_nothing_stands_out_the_cut_is_empty(features: Tensor, graph: Graph) -> None:
    cut = normalized_cut(features, graph=graph)
    assert cut.seed is None
    assert cut.box is None
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
        assert (cut.partition | ~cut.component).all()
        assert cut.component.any() == (cut.seed is not None)


def test_unusable_input_is_named() -> None:
    features = torch.rand(3, 2, 2)
    features[0, 0, 0] = torch.nan
    with pytest.raises(SodError, match="NaN or infinite"):
        normalized_cut(features)
    with pytest.raises(SodError, match="eps is 0"):
        normalized_cut(torch.rand(3, 2, 2), eps=0)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_gpu_finds_the_same_cut() -> None:
    features = clusters(400, 0).T.reshape(6, 20, 20)
    expected, cut = normalized_cut(features), normalized_cut(features.cuda())
    assert cut.partition.is_cuda
    assert torch.equal(cut.partition.cpu(), expected.partition)
    assert cut.seed == expected.seed


@pytest.fixture(scope="module")
def backbone(shared: Path) -> Backbone:
    weights = str(shared / "weights" / "vit_tiny_patch16_224.safetensors")
    # The reference was computed with timm's interpolation of the position embedding.
    return build_backbone(BackboneConfig("vit_tiny_patch16_224", weights, "value", 6, "timm"))


def ecssd(shared: Path, name: str) -> Tensor:
    pixels = read_image(shared / "data" / "ECSSD" / "images" / f"{name}.jpg")
    return torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 255


@pytest.mark.parametrize("number", range(5, 498, 36))
def test_published_cuts_are_reproduced(shared: Path, backbone: Backbone, number: int) -> None:
    name = f"{number:04d}"
    reference = np.load(shared / "reference" / "tokencut_ecssd_every_12th.npz")
    images = ecssd(shared, name)
    size = images.shape[-2:]
    features = backbone(lanczos_resize(images, saliency_size(*size, 16)))[0]
    cut = normalized_cut(features, tau=0.3)
    mask = F.interpolate(cut.component[None, None].float(), size, mode="nearest")[0, 0] > 0
    assert (mask.numpy() == reference[f"{name}_mask"]).mean() >= 0.995
    tied = cut.eigenvector.flatten() >= cut.eigenvector.abs().max() * (1 - 1e-6)
    assert tied[int(reference[f"{name}_seed"])]


@pytest.mark.parametrize("name", ["0003", "0122", "0474"])
def test_real_graphs_give_the_oracles_partition(
    shared: Path, backbone: Backbone, name: str
) -> None:
    images = ecssd(shared, name)
    features = backbone(lanczos_resize(images, saliency_size(*images.shape[-2:], 16)))
    weights = affinity(features[0].flatten(1).T, 0.3)
    expected = oracle(weights)
    torch.testing.assert_close(second_eigenvector(weights), expected, atol=1e-8, rtol=0)
    assert torch.equal(bipartition(second_eigenvector(weights)), bipartition(expected))
