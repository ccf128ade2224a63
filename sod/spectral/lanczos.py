"""The Lanczos method with full reorthogonalisation, for several graphs at once.

All graphs take the same steps. Coefficients stay on the device between checks, and a check reads
those of all graphs at once: each reading waits for a GPU.
"""

import math

import numpy as np
import numpy.typing as npt
import torch
from scipy.linalg import eigh_tridiagonal
from torch import Tensor

GOLDEN = 0.6180339887498949
TOLERANCE = 1e-9
FIRST_CHECK = 12
CHECK_EVERY = 4
MAX_STEPS = 300
EXHAUSTED = 1e-13

_Floats = npt.NDArray[np.floating]


def lanczos(weights: Tensor, roots: Tensor) -> list[Tensor | None]:
    """Return the leading eigenvectors of ``D^{-1/2} W D^{-1/2}`` orthogonal to ``D^{1/2} 1``.

    Args:
        weights: Symmetric weights ``[B, N, N]`` in float64.
        roots: Square roots of their row sums, ``[B, N]``.

    Returns:
        Per graph, a vector ``[N]`` of length 1, or None if it is not accurate after the largest
        number of steps: the eigenvalue has no usable gap.
    """
    batch, count = roots.shape
    limit = min(MAX_STEPS, count - 1)
    inverse = 1 / roots
    basis = roots.new_empty(batch, limit + 2, count)
    basis[:, 0] = roots / torch.linalg.vector_norm(roots, dim=1, keepdim=True)
    basis[:, 1] = _orthonormal(_start(roots), basis[:, :1])[0]
    coefficients = roots.new_empty(batch, 2, limit)  # diagonal and off-diagonal
    found: list[Tensor | None] = [None] * batch
    for step in range(1, limit + 1):
        image = _product(weights, basis[:, step] * inverse) * inverse
        coefficients[:, 0, step - 1] = _dot(image, basis[:, step])
        remainder = _orthonormal(image, basis[:, : step + 1])
        basis[:, step + 1], coefficients[:, 1, step - 1] = remainder
        complete = step == count - 1
        if complete or (step >= FIRST_CHECK and step % CHECK_EVERY == 0):
            _collect(found, coefficients[:, :, :step], basis, complete)
            if all(vector is not None for vector in found):
                break
    return found


def _start(roots: Tensor) -> Tensor:
    """Return the start vectors: multiples of the golden ratio modulo 1 cover all directions."""
    steps = torch.arange(1, roots.shape[1] + 1, dtype=torch.float64, device=roots.device)
    return (steps * GOLDEN % 1 - 0.5).expand(roots.shape)


def _collect(
    found: list[Tensor | None], coefficients: Tensor, basis: Tensor, complete: bool
) -> None:
    """Fill in the vectors that are accurate now and were not before."""
    read = coefficients.cpu().numpy()
    for index, vector in enumerate(found):
        if vector is None:
            ritz = _ritz_vector(read[index], complete)
            if ritz is not None:
                weights = torch.from_numpy(ritz).to(basis.device)
                found[index] = weights @ basis[index, 1 : len(ritz) + 1]


def _ritz_vector(coefficients: _Floats, complete: bool) -> _Floats | None:
    """Return the leading Ritz vector in the Lanczos basis, or None if it is not accurate yet.

    Args:
        coefficients: Diagonal, and off-diagonal below it, ``[2, steps]``.
        complete: Whether the basis spans the whole space.
    """
    # An exhausted Krylov space is invariant under M: its Ritz vectors are eigenvectors.
    ends = np.flatnonzero(coefficients[1] < EXHAUSTED)
    steps = int(ends[0]) + 1 if len(ends) else coefficients.shape[1]
    diagonal, off_diagonal = coefficients[:, :steps]
    values, vectors = eigh_tridiagonal(diagonal, off_diagonal[:-1])
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


def _orthonormal(vectors: Tensor, basis: Tensor) -> tuple[Tensor, Tensor]:
    """Project vectors ``[B, N]`` off their bases ``[B, K, N]``.

    Returns:
        The normalised remainders ``[B, N]`` and their lengths ``[B]``.
    """
    before = _length(vectors)
    vectors = vectors - _product(basis.mT, _product(basis, vectors))
    lengths = _length(vectors)
    # After cancellation, rounding errors are not orthogonal yet.
    cancelled = lengths < 0.1 * before
    if not cancelled.is_cpu or cancelled.any():  # reading the condition would wait for a GPU
        again = vectors - _product(basis.mT, _product(basis, vectors))
        vectors = torch.where(cancelled[:, None], again, vectors)
        lengths = _length(vectors)
    return vectors / lengths.clamp(min=1e-300)[:, None], lengths


def _length(vectors: Tensor) -> Tensor:
    """Return the Euclidean norms ``[B]``."""
    squares = _dot(vectors, vectors)
    if squares.is_cpu:  # PyTorch's root may be wrong in its last bit there
        return squares.new_tensor([math.sqrt(square) for square in squares.tolist()])
    return squares.sqrt()


def _product(matrices: Tensor, vectors: Tensor) -> Tensor:
    """Multiply matrices ``[B, R, N]`` by vectors ``[B, N]``; a single one is quicker by itself."""
    if len(matrices) == 1:
        return (matrices[0] @ vectors[0])[None]
    return torch.bmm(matrices, vectors[..., None])[..., 0]


def _dot(left: Tensor, right: Tensor) -> Tensor:
    """Return the inner products ``[B]`` of vectors ``[B, N]``."""
    if len(left) == 1:
        return left[0].dot(right[0])[None]
    return (left * right).sum(1)
