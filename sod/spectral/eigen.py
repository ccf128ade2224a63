"""The second-smallest eigenvector of the normalized cut, without a dense decomposition.

The generalized problem ``(D - W) y = λ D y`` is solved in its symmetric form: ``u = D^{1/2} y`` is
an eigenvector of ``M = D^{-1/2} W D^{-1/2}`` with eigenvalue ``1 - λ``. The largest eigenvalue, 1,
belongs to the known vector ``D^{1/2} 1``. The required ``u`` is the leading eigenvector in the
orthogonal complement of that vector, and ``y = D^{-1/2} u``.
"""

import math
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from scipy.linalg import eigh_tridiagonal
from torch import Tensor

from sod.core.precision import full_precision_region

FloatArray: TypeAlias = npt.NDArray[np.floating]
Method = Literal["auto", "iterative", "dense"]

GOLDEN = 0.6180339887498949
TOLERANCE = 1e-9
FIRST_CHECK = 12
CHECK_EVERY = 4
MAX_STEPS = 300
EXHAUSTED = 1e-13


class NotConvergedError(ArithmeticError):
    """The iterative solver could not separate the required eigenvector from the next one."""


@full_precision_region
def second_eigenvector(weights: Tensor, method: Method = "auto") -> Tensor:
    """Solve ``(D - W) y = λ D y`` for the second-smallest eigenvalue.

    The result is scaled to ``yᵀ D y = 1``, and its entry of largest magnitude (the first of equal
    ones) is positive. If the eigenvalue is repeated, every vector of its eigenspace is a solution;
    the iterative solver returns the one closest to its fixed start vector.

    Args:
        weights: Symmetric weights ``[N, N]`` with positive row sums, N >= 2; converted to float64.
        method: ``iterative`` is Lanczos with full reorthogonalisation, ``dense`` a full
            decomposition, and ``auto`` is ``iterative`` with ``dense`` as the fallback if it does
            not converge.

    Returns:
        The eigenvector ``y``, ``[N]`` in float64.

    Raises:
        NotConvergedError: If ``method`` is ``iterative`` and the eigenvalue has no usable gap.
    """
    weights = weights.detach().double().contiguous()
    # A product with ones avoids the thread synchronisation of a reduction, slow on busy machines.
    root = (weights @ weights.new_ones(len(weights))).sqrt()
    if method == "dense":
        vector = _dense(weights, root)
    else:
        try:
            vector = _lanczos(weights, root)
        except NotConvergedError:
            if method == "iterative":
                raise
            vector = _dense(weights, root)
    vector = vector / root
    return vector if vector[first_peak(vector)] > 0 else -vector


def first_peak(vector: Tensor) -> int:
    """Return the first index whose magnitude is the largest, up to a relative 1e-8.

    Args:
        vector: Values ``[N]``.

    Returns:
        The index. With the tolerance it is the same on every device, although the rounding errors
        of equal entries differ.
    """
    magnitudes = vector.abs()
    return int((magnitudes >= magnitudes.max() * (1 - 1e-8)).nonzero()[0])


def _dense(weights: Tensor, root: Tensor) -> Tensor:
    """Return ``u`` from a full decomposition of ``M``, in cubic time."""
    matrix = weights / root / root[:, None]
    # The eigenvalue of the trivial vector is moved from 1 to -1: in a nearly disconnected graph the
    # second eigenvalue is close to 1 too.
    matrix -= 2 * torch.outer(root, root) / root.dot(root)
    vectors: Tensor = torch.linalg.eigh(matrix).eigenvectors
    return vectors[:, -1]


def _lanczos(weights: Tensor, root: Tensor) -> Tensor:
    """Return ``u`` by the Lanczos method, with the trivial eigenvector deflated.

    The coefficients stay on the device between checks: reading one would wait for the device.
    """
    count = len(root)
    limit = min(MAX_STEPS, count - 1)
    inverse = 1 / root
    basis = root.new_empty(limit + 2, count)
    basis[0] = root / root.norm()
    # Multiples of the golden ratio modulo 1 cover all directions without random numbers.
    start = torch.arange(1, count + 1, dtype=torch.float64, device=root.device) * GOLDEN % 1 - 0.5
    basis[1] = _orthonormal(start, basis[:1])[0]
    coefficients = root.new_empty(2, limit)  # diagonal and off-diagonal
    for step in range(1, limit + 1):
        image = (weights @ (basis[step] * inverse)) * inverse
        coefficients[0, step - 1] = image.dot(basis[step])
        basis[step + 1], coefficients[1, step - 1] = _orthonormal(image, basis[: step + 1])
        if step == count - 1 or (step >= FIRST_CHECK and step % CHECK_EVERY == 0):
            ritz = _ritz_vector(coefficients[:, :step].cpu().numpy(), step == count - 1)
            if ritz is not None:
                return torch.from_numpy(ritz).to(root.device) @ basis[1 : len(ritz) + 1]
    raise NotConvergedError(f"no eigenvector within {limit} steps: the eigenvalue has no gap")


def _ritz_vector(coefficients: FloatArray, complete: bool) -> FloatArray | None:
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


def _converged(values: FloatArray, errors: FloatArray) -> bool:
    """Return whether the last Ritz vector is accurate enough.

    The angle to the eigenvector is at most residual / gap (Davis and Kahan). The gap to the next
    Ritz value is reduced by the residual of that value, which bounds its error.

    Args:
        values: Ritz values, ascending.
        errors: Norms of their residuals.
    """
    return bool(errors[-1] < TOLERANCE * (values[-1] - values[-2] - errors[-2]))


def _orthonormal(vector: Tensor, basis: Tensor) -> tuple[Tensor, Tensor]:
    """Project ``vector`` off ``basis``; return the normalised remainder and its length."""
    before = _length(vector)
    vector = vector - (basis @ vector) @ basis
    length = _length(vector)
    # After cancellation, rounding errors are not orthogonal yet.
    cancelled = length < 0.1 * before
    if not cancelled.is_cpu or cancelled:  # reading the condition would wait for a GPU
        again = vector - (basis @ vector) @ basis
        vector = torch.where(cancelled, again, vector)
        length = _length(vector)
    return vector / length.clamp(min=1e-300), length


def _length(vector: Tensor) -> Tensor:
    """Return the Euclidean norm, a scalar."""
    square = vector.dot(vector)
    if square.is_cpu:  # PyTorch's root may be wrong in its last bit there
        return square.new_tensor(math.sqrt(float(square)))
    return square.sqrt()
