"""The Lanczos method with full reorthogonalisation, for several graphs at once.

The steps are written for NumPy arrays and for tensors alike, which share the operators that occur
here. On a CPU the graphs are solved one by one as arrays: on a few hundred tokens the steps are so
short that the cost of calling PyTorch would dominate. On a GPU all graphs take the same steps;
coefficients stay on the device between checks, because each reading waits for it.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from scipy.linalg import eigh_tridiagonal
from torch import Tensor

GOLDEN = 0.6180339887498949
TOLERANCE = 1e-9
"""Largest angle between Ritz vector and eigenvector, in radians."""
FIRST_CHECK = 12
CHECK_EVERY = 4
MAX_STEPS = 300
EXHAUSTED = 1e-13

_Floats = npt.NDArray[np.floating]
_Array = Any  # a NumPy array or a tensor


def lanczos(weights: Tensor, roots: Tensor) -> list[Tensor | None]:
    """Return the leading eigenvectors of ``D^{-1/2} W D^{-1/2}`` orthogonal to ``D^{1/2} 1``.

    Args:
        weights: Symmetric weights ``[B, N, N]`` in float64.
        roots: Square roots of their row sums, ``[B, N]``.

    Returns:
        Per graph, a vector ``[N]`` of length 1, or None if it is not accurate after the largest
        number of steps: the eigenvalue has no usable gap.
    """
    if not weights.is_cpu:
        return lanczos_together(weights, roots)
    matrices, *arrays = (tensor.numpy() for tensor in (weights, *_room(roots)))
    found: list[Tensor | None] = []
    for row in range(len(roots)):
        one = slice(row, row + 1)
        product = partial(_product, matrices[one])
        (vector,) = _iterate(product, roots.shape[1] - 1, *(array[one] for array in arrays))
        found.append(None if vector is None else torch.from_numpy(vector))
    return found


def lanczos_together(weights: Tensor, roots: Tensor) -> list[Tensor | None]:
    """Return the vectors of :func:`lanczos`; all graphs take the same steps, as on a GPU."""
    return _iterate(partial(_product, weights), roots.shape[1] - 1, *_room(roots))


def lanczos_of_products(product: Callable[[Tensor], Tensor], root: Tensor) -> Tensor:
    """Return the vector of :func:`lanczos` for one graph of which only products are known.

    After the largest number of steps the vector is returned as it is: its value of the normalized
    cut is close to the best one, although it may hold a part of the next eigenvectors.

    Args:
        product: Multiplies ``W`` by a vector ``[N]`` in float64.
        root: Square roots of the row sums of ``W``, ``[N]``.

    Returns:
        A vector ``[N]`` of length 1.
    """
    tensors = _room(root[None])
    last = tensors[-1].shape[-1]
    (vector,) = _iterate(lambda vectors: product(vectors[0])[None], last, *tensors)
    assert isinstance(vector, Tensor)  # noqa: S101 - the last step always gives one
    return vector


def _room(roots: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return the roots, the start vectors, and room for bases and coefficients of some graphs."""
    steps = torch.arange(1, roots.shape[1] + 1, dtype=torch.float64, device=roots.device)
    # Multiples of the golden ratio modulo 1 cover all directions.
    start = (steps * GOLDEN % 1 - 0.5).expand(roots.shape)
    limit = min(MAX_STEPS, roots.shape[1] - 1)
    basis = roots.new_empty(len(roots), limit + 2, roots.shape[1])
    return roots, start, basis, roots.new_zeros(len(roots), 2, limit)


def _iterate(
    product: Callable[[_Array], _Array],
    last: int,
    roots: _Array,
    start: _Array,
    basis: _Array,
    coefficients: _Array,
) -> list[Any]:
    """Take steps until each graph has an accurate vector or the basis is full.

    Args:
        product: Multiplies the weights by vectors ``[B, N]``.
        last: The step after which the vectors are taken as they are.
        roots: As in :func:`lanczos`.
        start: Start vectors, ``[B, N]``.
        basis: Room for the bases, ``[B, steps + 2, N]``.
        coefficients: Room for the diagonals and off-diagonals, ``[B, 2, steps]``.
    """
    limit = basis.shape[1] - 2
    inverse = 1 / roots
    basis[:, 0] = roots / _dot(roots, roots)[:, None] ** 0.5
    basis[:, 1] = _orthonormal(start, basis[:, :1])[0]
    found: list[Any] = [None] * len(roots)
    for step in range(1, limit + 1):
        image = product(basis[:, step] * inverse) * inverse
        coefficients[:, 0, step - 1] = _dot(image, basis[:, step])
        remainder = _orthonormal(image, basis[:, : step + 1])
        basis[:, step + 1], coefficients[:, 1, step - 1] = remainder
        complete = step == last
        if complete or (step >= FIRST_CHECK and step % CHECK_EVERY == 0):
            _collect(found, coefficients[:, :, :step], basis, complete)
            if all(vector is not None for vector in found):
                break
    return found


def _collect(found: list[Any], coefficients: _Array, basis: _Array, complete: bool) -> None:
    """Fill in the vectors that are accurate now and were not before."""
    is_array = isinstance(coefficients, np.ndarray)
    read = coefficients if is_array else coefficients.cpu().numpy()
    for index, vector in enumerate(found):
        if vector is None:
            ritz = _ritz_vector(read[index], complete)
            if ritz is not None:
                weights = ritz if is_array else torch.from_numpy(ritz).to(basis.device)
                found[index] = weights @ basis[index, 1 : len(ritz) + 1]


def _ritz_vector(coefficients: _Floats, complete: bool) -> _Floats | None:
    """Return the leading Ritz vector in the Lanczos basis, or None if it is not accurate yet.

    Args:
        coefficients: Diagonal, and off-diagonal below it, ``[2, steps]``.
        complete: Whether the vector is taken as it is, such as in a basis of the whole space.
    """
    # An exhausted Krylov space is invariant under M: its Ritz vectors are eigenvectors.
    ends = np.flatnonzero(coefficients[1] < EXHAUSTED)
    steps = int(ends[0]) + 1 if len(ends) else coefficients.shape[1]
    diagonal, off_diagonal = coefficients[:, :steps]
    if steps == 1:
        return np.ones(1)
    values, vectors = eigh_tridiagonal(
        diagonal, off_diagonal[:-1], select="i", select_range=(steps - 2, steps - 1)
    )
    accurate = len(ends) > 0 or complete
    if accurate or _converged(values, off_diagonal[-1] * abs(vectors[-1])):
        return np.array(vectors[:, -1])
    return None


def _converged(values: _Floats, errors: _Floats) -> bool:
    """Return whether the last Ritz vector is accurate enough.

    The angle to the eigenvector is at most residual / gap (Davis and Kahan). The gap to the next
    Ritz value is reduced by the residual of that value, which bounds its error.

    Args:
        values: Ritz values, ascending.
        errors: Norms of their residuals.
    """
    return bool(errors[-1] < TOLERANCE * (values[-1] - values[-2] - errors[-2]))


def _orthonormal(vectors: _Array, basis: _Array) -> tuple[_Array, _Array]:
    """Project vectors ``[B, N]`` off their bases ``[B, K, N]``.

    Returns:
        The normalised remainders ``[B, N]`` and their lengths ``[B]``.
    """
    before = _dot(vectors, vectors) ** 0.5
    vectors = vectors - _projection(vectors, basis)
    lengths = _dot(vectors, vectors) ** 0.5
    # After cancellation, rounding errors are not orthogonal yet.
    cancelled = lengths < 0.1 * before
    if not isinstance(cancelled, np.ndarray) or cancelled.any():  # reading it on a GPU would wait
        vectors = vectors - cancelled[:, None] * _projection(vectors, basis)
        lengths = _dot(vectors, vectors) ** 0.5
    return vectors / (lengths[:, None] + 1e-300), lengths


def _projection(vectors: _Array, basis: _Array) -> _Array:
    """Return the part of vectors ``[B, N]`` in the span of orthonormal bases ``[B, K, N]``."""
    return (_product(basis, vectors)[:, None] @ basis)[:, 0]


def _product(matrices: _Array, vectors: _Array) -> _Array:
    """Multiply matrices ``[B, R, N]`` by vectors ``[B, N]``."""
    return (matrices @ vectors[..., None])[..., 0]


def _dot(left: _Array, right: _Array) -> _Array:
    """Return the inner products ``[B]`` of vectors ``[B, N]``."""
    return (left[:, None] @ right[..., None])[:, 0, 0]
