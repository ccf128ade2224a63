"""Linear system of the bilateral solver for one image, in NumPy and SciPy on the CPU."""

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.linalg.blas import daxpy
from scipy.sparse import csr_array
from torch import Tensor

from sod.refinement.cells import Vertices

BISTOCHASTIC_STEPS = 10
CENTRE = 10.0
DIAGONAL_MIN = 1e-5
_DOT = 8192  # longer inner products are shared by the threads of the BLAS

Vector = NDArray[np.float64]


class SparseSystem:
    """Smoothness matrix of one bilateral grid, and the solution of its linear systems.

    The smoothness matrix is ``Dm - Dn B Dn``. ``B`` blurs along the five axes, with a weight of 10
    for the vertex itself; the diagonal ``Dn`` makes it nearly bistochastic (Barron & Poole 2016,
    algorithm 1). The diagonal ``Dm`` is chosen such that the rows sum to zero.

    Args:
        vertices: The occupied cells of one image.
    """

    def __init__(self, vertices: Vertices) -> None:
        # Sorting the rows by length halves the time of the matrix product, as the processor can
        # then predict where each row ends.
        table = vertices.neighbours.numpy()
        degrees = ((table >= 0).astype(np.float32) @ np.ones(10, np.float32)).astype(np.uint8)
        self._order = degrees.argsort(kind="stable")
        self._neighbours = _matrix(table, degrees, self._order)
        mass = vertices.counts.double().numpy()[self._order]
        scale, centre = np.ones_like(mass), np.empty_like(mass)
        for _ in range(BISTOCHASTIC_STEPS):
            blurred = self._neighbours @ scale
            blurred += np.multiply(scale, CENTRE, out=centre)
            scale *= mass
            scale /= blurred
            np.sqrt(scale, out=scale)
        self._scale = scale
        self._degree = scale * (self._neighbours @ scale)

    def solve(
        self, data: Tensor, weight: Tensor, lam: float, tolerance: float, iterations: int
    ) -> Tensor:
        """Solve ``(lam * smoothness + diag(weight)) x = data``, starting from ``data / weight``.

        Args:
            data: Right-hand sides, float64, ``[T, N]``.
            weight: Confidence at the vertices, float64, ``[1 or T, N]``.
            lam: Weight of the smoothness.
            tolerance: Residual to stop at, relative to the right-hand side.
            iterations: Maximum number of steps.

        Returns:
            Values at the vertices, float64, ``[T, N]``.
        """
        weights = weight.expand_as(data).numpy()
        solution = np.empty(data.shape)
        for row, right, row_weight in zip(solution, data.numpy(), weights, strict=True):
            ordered = right[self._order], row_weight[self._order]
            row[self._order] = self._solve_one(*ordered, lam, tolerance, iterations)
        return torch.from_numpy(solution)

    def _solve_one(
        self, data: Vector, weight: Vector, lam: float, tolerance: float, iterations: int
    ) -> Vector:
        """Run conjugate gradients on the system, scaled to a diagonal of 1.

        This is equivalent to Jacobi-preconditioned conjugate gradients on the system itself.
        """
        diagonal = np.maximum(lam * self._degree + weight, DIAGONAL_MIN)
        root = np.sqrt(diagonal)
        coupling = self._scale * (lam**0.5 / root)
        solution = data / np.maximum(weight, DIAGONAL_MIN) * root
        residual = data / root - solution + coupling * (self._neighbours @ (coupling * solution))
        limit, least = tolerance**2 * _dot(data, data), float(diagonal.min())
        direction, scaled, previous = np.zeros_like(data), np.empty_like(data), 1.0
        for _ in range(iterations):
            product = _dot(residual, residual)
            # The criterion of scipy's `cg` is the unscaled residual; it is computed only if needed.
            if least * product <= limit and _dot(residual**2, diagonal) <= limit:
                break
            direction *= product / previous
            direction += residual
            image = self._neighbours @ np.multiply(coupling, direction, out=scaled)
            image *= coupling
            np.subtract(direction, image, out=image)
            length = product / _dot(direction, image)
            solution = daxpy(direction, solution, a=length)
            residual = daxpy(image, residual, a=-length)
            previous = product
        return np.asarray(solution / root)


def _dot(left: Vector, right: Vector) -> float:
    """Return the inner product, in a single thread and thus in a fixed order of summation."""
    if len(left) <= _DOT:
        return float(left.dot(right))
    parts = (slice(start, start + _DOT) for start in range(0, len(left), _DOT))
    return sum(float(left[part].dot(right[part])) for part in parts)


def _matrix(
    table: NDArray[np.int64], degrees: NDArray[np.uint8], order: NDArray[np.intp]
) -> csr_array:
    """Return the 0/1 matrix ``[N, N]`` of neighbours ``[N, 10]``, both axes sorted by ``order``."""
    size = len(order)
    positions = np.empty(size, dtype=np.int32)
    positions[order] = np.arange(size, dtype=np.int32)
    rows = table.take(order, axis=0).ravel()
    columns = positions.take(rows.compress(rows >= 0))
    pointers = np.zeros(size + 1, dtype=np.int32)
    degrees[order].cumsum(dtype=np.int32, out=pointers[1:])
    entries = (np.ones(len(columns)), columns, pointers)
    return csr_array(entries, shape=(size, size))
