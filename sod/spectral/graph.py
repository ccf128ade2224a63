"""Affinity graph of image tokens."""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from sod.core.errors import SodError
from sod.core.precision import full_precision_region

Graph = Literal["binary", "weighted"]


@full_precision_region
def affinity(features: Tensor, tau: float, eps: float = 1e-5, graph: Graph = "binary") -> Tensor:
    """Connect tokens whose cosine similarity is above ``tau``.

    ``binary`` is the graph of TokenCut (arXiv 2202.11539, section 3.2): the weight is 1 where the
    similarity is strictly above ``tau``, and ``eps`` elsewhere. ``weighted`` uses the similarity
    instead of 1. The small ``eps`` keeps the graph connected. A zero feature is similar to no
    token, not even to itself. Half-precision features are compared in float32.

    Args:
        features: Tokens, ``[..., N, C]``, any floating type.
        tau: Threshold on the cosine similarity, in [-1, 1].
        eps: Weight of the remaining edges, positive.
        graph: Weights of the edges above the threshold.

    Returns:
        Symmetric, positive weights ``[..., N, N]`` in float64.

    Raises:
        SodError: If a feature is not finite or ``eps`` is not positive.
    """
    similarity = similarities(features)
    weights = binary_weights(similarity, tau, eps)
    if graph == "binary":
        return weights
    # Matrix products may be asymmetric in the last bit, but the solvers need exact symmetry.
    weights = torch.where(similarity > tau, similarity.double().clamp_min(eps), weights)
    return (weights + weights.mT) / 2


@full_precision_region
def similarities(features: Tensor) -> Tensor:
    """Return the cosines of all pairs of tokens ``[..., N, C]``, ``[..., N, N]`` in float32.

    Raises:
        SodError: If a feature is not finite.
    """
    unit = unit_tokens(features)
    return unit @ unit.mT


def unit_tokens(features: Tensor) -> Tensor:
    """Return tokens ``[..., N, C]`` in float32 and of length 1; zeros stay zeros.

    Raises:
        SodError: If a feature is not finite.
    """
    if not torch.isfinite(features).all():
        raise SodError("features hold NaN or infinite values: check the weights and the precision")
    return F.normalize(features.float(), dim=-1)


def check_eps(eps: float) -> None:
    """Refuse a weight of dissimilar tokens that is not positive.

    Raises:
        SodError: If it is not.
    """
    if not eps > 0:
        raise SodError(f"eps is {eps}: it must be above 0, or the graph may fall apart")


def binary_weights(similarity: Tensor, tau: float, eps: float) -> Tensor:
    """Return 1 where the similarity is strictly above ``tau`` and ``eps`` elsewhere, in float64.

    Raises:
        SodError: If ``eps`` is not positive.
    """
    check_eps(eps)
    rest = torch.tensor(eps, dtype=torch.float64, device=similarity.device)
    return torch.where(similarity > tau, torch.ones_like(rest), rest)


def is_uniform(weights: Tensor) -> Tensor:
    """Return whether all edges between different tokens have equal weights.

    Args:
        weights: Symmetric weights ``[..., N, N]``.

    Returns:
        Bool ``[...]``: True if the edges agree up to a relative 1e-6, in which case no cut is
        better than another, and for a single token.
    """
    count = weights.shape[-1]
    if count < 2:
        return torch.ones(weights.shape[:-2], dtype=torch.bool, device=weights.device)
    # Without its first entry, and in rows of N + 1, the matrix has the diagonal in the last column.
    edges = weights.flatten(-2)[..., 1:]
    edges = edges.view(*weights.shape[:-2], count - 1, count + 1)[..., :-1]
    lowest, highest = edges.amin((-2, -1)), edges.amax((-2, -1))  # aminmax takes four times longer
    return highest - lowest <= 1e-6 * highest
