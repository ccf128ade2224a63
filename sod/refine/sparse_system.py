"""The solver's linear system for one image on the CPU: numpy vectors, one scipy matrix."""

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_array
from torch import Tensor

from sod.refine.cells import Vertices

BISTOCHASTIC_STEPS = 10
CENTRE = 10.0
DIAGONAL_MIN = 1e-5

Vector = NDArray[np.float64]


class SparseSystem:
    """The smoothness of one grid, and the solution of targets on it.

    The smoothness term is ``Dm - Dn B Dn``: ``B`` blurs along the five axes (a vertex weighs 10 in
    its own blur), and the diagonal ``Dn`` makes it nearly bistochastic (Barron & Poole 2016,
    algorithm 1). ``Dm`` is what the last step leaves, so that its rows sum to zero.

    Args:
        vertices: The occupied cells of one image.
    """

    def __init__(self, vertices: Vertices) -> None:
        # Rows of equal length in sequence let the processor foresee the end of each: the product
        # with the matrix takes half as long.
        table = vertices.neighbours.numpy()
        degrees = (table >= 0).sum(0, dtype=np.uint8)
        self._order = degrees.argsort(kind="stable")
        self._neighbours = _matrix(table, degrees, self._order)
        mass = vertices.counts.double().numpy()[self._order]
        scale = np.ones_like(mass)
        for _ in range(BISTOCHASTIC_STEPS):
            scale = np.sqrt(scale * mass / (self._neighbours @ scale + CENTRE * scale))
        self._scale = scale
        self._degree = scale * (self._neighbours @ scale)

    def solve(
        self, data: Tensor, weight: Tensor, lam: float, tolerance: float, iterations: int
    ) -> Tensor:
        """Solve ``(lam * smoothness + diag(weight)) x = data`` from ``data / weight``.

        Args:
            data: Right-hand sides, float64, ``[T, N]``.
            weight: Confidence at the vertices, float64, ``[1 or T, N]``.
            lam: Weight of the smoothness.
            tolerance: Residual to stop at, relative to the right-hand side.
            iterations: Greatest number of steps.

        Returns:
            Values at the vertices, float64, ``[T, N]``.
        """
        weights = weight.expand_as(data).numpy()
        solution = np.empty(data.shape)
        for row, right, trust in zip(solution, data.numpy(), weights, strict=True):
            ordered = right[self._order], trust[self._order]
            row[self._order] = self._solve_one(*ordered, lam, tolerance, iterations)
        return torch.from_numpy(solution)

    def _solve_one(
        self, data: Vector, weight: Vector, lam: float, tolerance: float, iterations: int
    ) -> Vector:
        """Run conjugate gradients on the system scaled by the root of its diagonal.

        They walk exactly as Jacobi-preconditioned ones do on the system itself; the diagonal is 1.
        """
        diagonal = np.maximum(lam * self._degree + weight, DIAGONAL_MIN)
        root = np.sqrt(diagonal)
        coupling = self._scale * (lam**0.5 / root)
        solution = data / np.maximum(weight, DIAGONAL_MIN) * root
        residual = data / root - solution + coupling * (self._neighbours @ (coupling * solution))
        limit, least = tolerance**2 * _dot(data, data), float(diagonal.min())
        direction, previous = np.zeros_like(data), 1.0
        for _ in range(iterations):
            product = _dot(residual, residual)
            # Residuals are measured unscaled, as scipy's `cg` measures them, where it may matter.
            if least * product <= limit and _dot(residual**2, diagonal) <= limit:
                break
            direction *= product / previous
            direction += residual
            image = direction - coupling * (self._neighbours @ (coupling * direction))
            length = product / _dot(direction, image)
            solution += length * direction
            residual -= length * image
            previous = product
        return np.asarray(solution / root)


def _dot(left: Vector, right: Vector) -> float:
    """Return the inner product, in one thread and so always in the same order."""
    return float(np.einsum("i,i", left, right))


def _matrix(
    table: NDArray[np.int64], degrees: NDArray[np.uint8], order: NDArray[np.intp]
) -> csr_array:
    """Return the 0/1 matrix ``[N, N]`` of neighbours ``[10, N]``, both axes in that order."""
    size = len(order)
    places = np.empty(size, dtype=np.int32)
    places[order] = np.arange(size, dtype=np.int32)
    rows = np.ascontiguousarray(table.astype(np.int32).T).take(order, axis=0).ravel()
    columns = places.take(rows.compress(rows >= 0))
    pointers = np.zeros(size + 1, dtype=np.int32)
    degrees[order].cumsum(dtype=np.int32, out=pointers[1:])
    entries = (np.ones(len(columns)), columns, pointers)
    return csr_array(entries, shape=(size, size))
