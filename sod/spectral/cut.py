"""Normalized cut of an image: bipartition, seed and the component of the seed."""

from dataclasses import dataclass

import torch
from torch import Tensor

from sod.core.precision import float64_device, full_precision_region
from sod.refinement.masks import seed_component
from sod.spectral.eigen import Method, first_peak, second_eigenvector
from sod.spectral.graph import Graph, affinity, is_uniform


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


@full_precision_region
def normalized_cut(
    features: Tensor,
    tau: float = 0.2,
    eps: float = 1e-5,
    graph: Graph = "binary",
    method: Method = "auto",
) -> Cut:
    """Divide an image in two by its features (TokenCut, arXiv 2202.11539, steps 2 to 6).

    If all tokens are similar, if all are dissimilar, or if there is only one, no cut is better than
    another. The result is then empty: all zeros, without a seed.

    Args:
        features: Dense features ``[C, h, w]``.
        tau: Threshold on the cosine similarity.
        eps: Weight of the edges at or below the threshold, positive.
        graph: ``binary`` or ``weighted`` edges, see :func:`sod.spectral.affinity`.
        method: Eigenvector solver, see :func:`sod.spectral.second_eigenvector`.

    Returns:
        The cut, on the device of the features; finite for every finite input.

    Raises:
        SodError: If a feature is not finite or ``eps`` is not positive.
    """
    height, width = features.shape[1:]
    tokens = features.detach().flatten(1).T
    # The small eps needs float64.
    weights = affinity(tokens.to(float64_device(tokens.device)), tau, eps, graph)
    if is_uniform(weights):
        return _empty(height, width, features.device)
    vector = second_eigenvector(weights, method)
    partition = bipartition(vector)
    seed = first_peak(vector)
    component = seed_component(partition.view(1, 1, height, width), torch.tensor([seed]))[0, 0]
    return Cut(
        eigenvector=vector.view(height, width).float().to(features.device),
        partition=partition.view(height, width).to(features.device),
        component=component.to(features.device),
        seed=divmod(seed, width),
    )


def bipartition(eigenvector: Tensor) -> Tensor:
    """Return the side of the seed: tokens strictly above the mean, with the sign positive at it.

    Args:
        eigenvector: The second eigenvector ``[N]``, of either sign.

    Returns:
        Bool ``[N]``; all False for a constant vector.
    """
    if eigenvector[first_peak(eigenvector)] < 0:
        eigenvector = -eigenvector
    return eigenvector > eigenvector.mean()


def _empty(height: int, width: int, device: torch.device) -> Cut:
    """Return an empty cut: all zeros, without a seed."""
    nothing = torch.zeros(height, width, dtype=torch.bool, device=device)
    return Cut(nothing.float(), nothing, nothing.clone(), seed=None)
