"""The second-smallest eigenvector of the normalized cut, without a dense decomposition.

The generalized problem ``(D - W) y = λ D y`` is solved in its symmetric form: ``u = D^{1/2} y`` is
an eigenvector of ``M = D^{-1/2} W D^{-1/2}`` with eigenvalue ``1 - λ``. The largest one, 1, belongs
to the known vector ``D^{1/2} 1``; the wanted ``u`` is the leading one of what is orthogonal to it,
and ``y = D^{-1/2} u`` is transformed back before anything is thresholded.
"""

import math
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from scipy.linalg import eigh_tridiagonal
from torch import Tensor

FloatArray: TypeAlias = npt.NDArray[np.floating]
Method = Literal["auto", "iterative", "dense"]

GOLDEN = 0.6180339887498949
TOLERANCE = 1e-9
FIRST_CHECK = 12
CHECK_EVERY = 4
MAX_STEPS = 300


class NotConvergedError(ArithmeticError):
    """The iterative solver could not separate the wanted eigenvector from the next one."""


def second_eigenvector(weights: Tensor, method: Method = "auto") -> Tensor:
    """Solve ``(D - W) y = λ D y`` for the second-smallest eigenvalue.

    The result is scaled to ``yᵀ D y = 1``, and its entry of the largest magnitude (the first of
    equals) is positive. Where the eigenvalue is repeated, any vector of its space is a solution:
    the iterative solver then returns the one nearest to its fixed start vector.

    Args:
        weights: Symmetric weights ``[N, N]`` with positive row sums, N >= 2. Solved in float64.
        method: ``iterative`` is Lanczos with full reorthogonalisation, ``dense`` decomposes the
            whole matrix, ``auto`` falls back to the second where the first does not converge.

    Returns:
        The eigenvector ``y``, ``[N]`` in float64.

    Raises:
        NotConvergedError: If ``method`` is ``iterative`` and the eigenvalue has no usable gap.
    """
    weights = weights.detach().double().contiguous()
    # A product with ones: unlike a reduction, it does not wait for threads on a busy machine.
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
    """Return the index of the largest magnitude; of entries that agree to 1e-8, the first.

    Args:
        vector: Values ``[N]``.

    Returns:
        The index, the same on every device although equal entries differ by rounding.
    """
    size = vector.abs()
    return int((size >= size.max() * (1 - 1e-8)).nonzero()[0])


def _dense(weights: Tensor, root: Tensor) -> Tensor:
    """Return ``u`` from the whole spectrum of ``M``: exact, cubic in time."""
    matrix = weights / root / root[:, None]
    # Moving the trivial pair to the other end keeps it apart where the graph nearly falls in two.
    matrix -= 2 * torch.outer(root, root) / root.dot(root)
    vectors: Tensor = torch.linalg.eigh(matrix).eigenvectors
    return vectors[:, -1]


def _lanczos(weights: Tensor, root: Tensor) -> Tensor:
    """Return ``u`` from a Krylov space in which the trivial eigenvector is deflated."""
    count = len(root)
    limit = min(MAX_STEPS, count - 1)
    inverse = 1 / root
    basis = root.new_empty(limit + 2, count)
    basis[0] = root / root.norm()
    # Multiples of the golden ratio modulo 1 leave out no direction and need no random numbers.
    start = torch.arange(1, count + 1, dtype=torch.float64, device=root.device) * GOLDEN % 1 - 0.5
    basis[1] = _orthonormal(start, basis[:1])[0]
    diagonal: list[float] = []
    beside: list[float] = []
    for step in range(1, limit + 1):
        image = (weights @ (basis[step] * inverse)) * inverse
        diagonal.append(float(image.dot(basis[step])))
        basis[step + 1], length = _orthonormal(image, basis[: step + 1])
        # An exhausted space is invariant under M: its Ritz vectors are eigenvectors.
        exhausted = length < 1e-13 or step == count - 1
        if exhausted or (step >= FIRST_CHECK and step % CHECK_EVERY == 0):
            values, vectors = eigh_tridiagonal(diagonal, beside)
            if exhausted or _converged(values, length * abs(vectors[-1])):
                return torch.from_numpy(vectors[:, -1].copy()).to(root.device) @ basis[1 : step + 1]
        beside.append(length)
    raise NotConvergedError(f"no eigenvector within {limit} steps: the eigenvalue has no gap")


def _converged(values: FloatArray, errors: FloatArray) -> bool:
    """Tell whether the last Ritz vector is an eigenvector.

    A residual turns a vector by at most residual / gap (Davis and Kahan); the gap to the next Ritz
    value counts only as far as that value is known itself.

    Args:
        values: Ritz values, ascending.
        errors: Norms of their residuals.
    """
    return bool(errors[-1] < TOLERANCE * (values[-1] - values[-2] - errors[-2]))


def _orthonormal(vector: Tensor, basis: Tensor) -> tuple[Tensor, float]:
    """Remove the span of ``basis`` from ``vector``; return the unit rest and its length."""
    before = _length(vector)
    vector = vector - (basis @ vector) @ basis
    length = _length(vector)
    if length < 0.1 * before:  # what is left of a cancellation is not orthogonal yet
        vector = vector - (basis @ vector) @ basis
        length = _length(vector)
    return vector / max(length, 1e-300), length


def _length(vector: Tensor) -> float:
    return math.sqrt(float(vector.dot(vector)))
