"""The second-smallest eigenvector of the normalized cut, without a dense decomposition.

The generalized problem ``(D - W) y = λ D y`` is solved in its symmetric form: ``u = D^{1/2} y`` is
an eigenvector of ``M = D^{-1/2} W D^{-1/2}`` with eigenvalue ``1 - λ``. The largest eigenvalue, 1,
belongs to the known vector ``D^{1/2} 1``. The required ``u`` is the leading eigenvector in the
orthogonal complement of that vector, and ``y = D^{-1/2} u``.
"""

from typing import Literal

import torch
from torch import Tensor

from sod.core.precision import full_precision_region
from sod.spectral.implicit import ImplicitGraph
from sod.spectral.lanczos import MAX_STEPS, lanczos, lanczos_of_products

Method = Literal["auto", "iterative", "dense"]


class NotConvergedError(ArithmeticError):
    """The iterative solver could not separate the required eigenvector from the next one."""


@full_precision_region
def second_eigenvector(weights: Tensor, method: Method = "auto") -> Tensor:
    """Solve ``(D - W) y = λ D y`` for the second-smallest eigenvalue, of one or of several graphs.

    The result is scaled to ``yᵀ D y = 1``, and its entry of largest magnitude (the first of equal
    ones) is positive. If the eigenvalue is repeated, every vector of its eigenspace is a solution;
    the iterative solver returns the one closest to its fixed start vector.

    Args:
        weights: Symmetric weights ``[N, N]`` or ``[B, N, N]`` with positive row sums, N >= 2;
            converted to float64.
        method: ``iterative`` is Lanczos with full reorthogonalisation, ``dense`` a full
            decomposition, and ``auto`` is ``iterative`` with ``dense`` as the fallback if it does
            not converge.

    Returns:
        The eigenvector ``y``, ``[N]`` or ``[B, N]`` in float64.

    Raises:
        NotConvergedError: If ``method`` is ``iterative`` and the eigenvalue has no usable gap.
    """
    if weights.ndim == 2:
        return second_eigenvector(weights[None], method)[0]
    weights = weights.detach().double().contiguous()
    # Products with ones avoid the thread synchronisation of a reduction, slow on busy machines.
    roots = torch.stack([each @ each.new_ones(len(each)) for each in weights]).sqrt()
    return _positive_at_peak(_symmetric(weights, roots, method) / roots)


@full_precision_region
def implicit_eigenvector(graph: ImplicitGraph) -> Tensor:
    """Return the result of :func:`second_eigenvector` for a graph without a matrix.

    There is no dense solver to fall back on: if the eigenvalue has no usable gap, the vector after
    the largest number of steps is returned.

    Args:
        graph: A graph of at least two tokens.

    Returns:
        The eigenvector ``[N]`` in float64.
    """
    root = graph.degrees().sqrt()
    return _positive_at_peak(lanczos_of_products(graph.product, root) / root)


def first_peak(vectors: Tensor) -> Tensor:
    """Return the first index whose magnitude is the largest, up to a relative 1e-8.

    Args:
        vectors: Values ``[..., N]``.

    Returns:
        The indices, int64 ``[...]``. With the tolerance they are the same on every device, although
        the rounding errors of equal entries differ.
    """
    magnitudes = vectors.abs()
    largest = magnitudes.amax(-1, keepdim=True) * (1 - 1e-8)
    return (magnitudes >= largest).to(torch.uint8).argmax(-1)


def bipartition(eigenvector: Tensor) -> Tensor:
    """Return the side of the seed: tokens strictly above the mean, with the sign positive at it.

    Args:
        eigenvector: The second eigenvector ``[..., N]``, of either sign.

    Returns:
        Bool ``[..., N]``; all False for a constant vector.
    """
    negative = _at(eigenvector, first_peak(eigenvector)) < 0
    eigenvector = torch.where(negative, -eigenvector, eigenvector)
    return eigenvector > eigenvector.mean(-1, keepdim=True)


def _positive_at_peak(vectors: Tensor) -> Tensor:
    return torch.where(_at(vectors, first_peak(vectors)) > 0, vectors, -vectors)


def _at(vectors: Tensor, indices: Tensor) -> Tensor:
    """Return the entry ``[..., 1]`` of each vector ``[..., N]`` at its index."""
    return vectors.gather(-1, indices[..., None])


def _symmetric(weights: Tensor, roots: Tensor, method: Method) -> Tensor:
    """Return ``u`` of every graph, ``[B, N]``."""
    none: list[Tensor | None] = [None] * len(weights)
    vectors = none if method == "dense" else lanczos(weights, roots)
    if method == "iterative" and any(vector is None for vector in vectors):
        raise NotConvergedError(f"no eigenvector in {MAX_STEPS} steps: the eigenvalue has no gap")
    return torch.stack(
        [
            _dense(weights[index], roots[index]) if vector is None else vector
            for index, vector in enumerate(vectors)
        ]
    )


def _dense(weights: Tensor, root: Tensor) -> Tensor:
    """Return ``u`` from a full decomposition of ``M``, in cubic time."""
    matrix = weights / root / root[:, None]
    # The eigenvalue of the trivial vector is moved from 1 to -1: in a nearly disconnected graph the
    # second eigenvalue is close to 1 too.
    matrix -= 2 * torch.outer(root, root) / root.dot(root)
    vectors: Tensor = torch.linalg.eigh(matrix).eigenvectors
    return vectors[:, -1]
