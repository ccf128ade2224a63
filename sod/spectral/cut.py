"""Normalized cuts of images: bipartition, seed and the component of the seed."""

from dataclasses import dataclass

import torch
from torch import Tensor

from sod.core.precision import float64_device, full_precision_region
from sod.refinement.masks import seed_component
from sod.spectral.eigen import (
    Method,
    bipartition,
    first_peak,
    implicit_eigenvector,
    second_eigenvector,
)
from sod.spectral.graph import Graph, affinity, is_uniform
from sod.spectral.implicit import ImplicitGraph, is_large

MEMORY = 2**30
"""Bytes of the weights of the graphs that are cut at once on a GPU."""


@dataclass(frozen=True)
class Cut:
    """Result of a normalized cut of one image, on the grid of its tokens.

    Attributes:
        eigenvector: The second eigenvector, float32 ``[h, w]``, positive at the seed.
        partition: The side of the cut that contains the seed, bool ``[h, w]``.
        component: The 4-connected component of the partition with the seed, bool ``[h, w]``.
        seed: Row and column of the eigenvector's largest magnitude, or None without a cut.
    """

    eigenvector: Tensor
    partition: Tensor
    component: Tensor
    seed: tuple[int, int] | None

    @classmethod
    def empty(cls, grid: tuple[int, int], device: torch.device) -> "Cut":
        """Return an empty cut of a grid ``(h, w)``: all zeros, without a seed."""
        nothing = torch.zeros(*grid, dtype=torch.bool, device=device)
        return cls(nothing.float(), nothing, nothing.clone(), seed=None)

    def to(self, device: torch.device) -> "Cut":
        """Return the cut on a device."""
        eigenvector, partition = self.eigenvector.to(device), self.partition.to(device)
        return Cut(eigenvector, partition, self.component.to(device), self.seed)


def normalized_cut(
    features: Tensor,
    tau: float = 0.2,
    eps: float = 1e-5,
    graph: Graph = "binary",
    method: Method = "auto",
) -> Cut:
    """Divide one image in two by its features ``[C, h, w]``, see :func:`normalized_cuts`."""
    return normalized_cuts(features[None], tau, eps, graph, method)[0]


@full_precision_region
def normalized_cuts(
    features: Tensor,
    tau: float = 0.2,
    eps: float = 1e-5,
    graph: Graph = "binary",
    method: Method = "auto",
) -> list[Cut]:
    """Divide images in two by their features (TokenCut, arXiv 2202.11539, steps 2 to 6).

    If all tokens are similar, if all are dissimilar, or if there is only one, no cut is better than
    another. The result is then empty: all zeros, without a seed. On a GPU the graphs of a batch are
    cut together, as far as memory allows; on a CPU, where that gains nothing, one by one. Graphs of
    more than 8,192 tokens are cut one by one without their matrix
    (:class:`sod.spectral.implicit.ImplicitGraph`).

    Args:
        features: Dense features ``[B, C, h, w]``.
        tau: Threshold on the cosine similarity.
        eps: Weight of the edges at or below the threshold, positive.
        graph: ``binary`` or ``weighted`` edges, see :func:`sod.spectral.affinity`.
        method: Eigenvector solver, see :func:`sod.spectral.second_eigenvector`. Only ``auto``
            goes without the matrix.

    Returns:
        The cut of each image, on the device of the features; finite for every finite input.

    Raises:
        SodError: If a feature is not finite or ``eps`` is not positive.
    """
    height, width = features.shape[2:]
    tokens = features.detach().flatten(2).mT
    device = float64_device(tokens.device)  # the small eps needs float64
    if method == "auto" and is_large(height * width):
        graphs = (ImplicitGraph(each.to(device), tau, eps, graph) for each in tokens)
        return [cut_implicit(each, (height, width)).to(features.device) for each in graphs]
    together = 1 if device.type == "cpu" else max(MEMORY // (8 * (height * width) ** 2), 1)
    cuts: list[Cut] = []
    for part in torch.split(tokens.to(device), together):
        weights = affinity(part.squeeze(0), tau, eps, graph)
        cuts += cut_graphs(weights.view(len(part), *weights.shape[-2:]), (height, width), method)
    return [cut.to(features.device) for cut in cuts]


def cut_graphs(weights: Tensor, grid: tuple[int, int], method: Method = "auto") -> list[Cut]:
    """Cut graphs of the tokens of a grid.

    Args:
        weights: Weights ``[B, N, N]`` in float64.
        grid: Rows and columns of the N tokens.
        method: Eigenvector solver, see :func:`sod.spectral.second_eigenvector`.

    Returns:
        The cut of each graph, on the device of the weights.
    """
    uniform = is_uniform(weights).tolist()
    cuts = [Cut.empty(grid, weights.device) for _ in uniform]
    rows = [row for row, is_empty in enumerate(uniform) if not is_empty]
    if not rows:
        return cuts
    chosen = weights[rows] if len(rows) < len(weights) else weights
    for row, cut in zip(rows, _divide(second_eigenvector(chosen, method), grid), strict=True):
        cuts[row] = cut
    return cuts


def cut_implicit(graph: ImplicitGraph, grid: tuple[int, int]) -> Cut:
    """Cut a graph without a matrix, of the tokens of a grid."""
    if graph.is_uniform():
        return Cut.empty(grid, graph.device)
    (cut,) = _divide(implicit_eigenvector(graph)[None], grid)
    return cut


def _divide(vectors: Tensor, grid: tuple[int, int]) -> list[Cut]:
    """Return the cuts by some eigenvectors ``[B, N]``, each positive at its peak."""
    partitions = bipartition(vectors).view(-1, *grid)
    seeds = first_peak(vectors).cpu()
    components = seed_component(partitions[:, None], seeds)[:, 0]
    return [
        Cut(
            eigenvector=vectors[place].view(grid).float(),
            partition=partitions[place],
            component=components[place],
            seed=divmod(seed, grid[1]),
        )
        for place, seed in enumerate(seeds.tolist())
    ]
