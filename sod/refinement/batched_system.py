"""Linear systems of the bilateral solver for a batch of images, in PyTorch on a GPU."""

import torch
from torch import Tensor
from torch.nn.functional import pad

from sod.refinement.cells import Vertices
from sod.refinement.sparse_system import BISTOCHASTIC_STEPS, CENTRE, DIAGONAL_MIN


class BatchedSystem:
    """The system of :class:`SparseSystem`, for the grids of several images at once.

    Every image has as many slots as the largest grid has vertices; an unused slot is a vertex of
    one pixel without neighbours. Internally, values at slots are float64, ``[T, B, V]``.

    Args:
        vertices: The occupied cells of all images.
        batch: Number of images.
    """

    def __init__(self, vertices: Vertices, batch: int) -> None:
        owners, device = vertices.owners, vertices.owners.device
        counts = torch.bincount(owners, minlength=batch)
        self._shape = (batch, int(counts.max()))
        total = self._shape[0] * self._shape[1]
        shifts = torch.arange(batch, device=device) * self._shape[1] - counts.cumsum(0) + counts
        self._slots = torch.arange(len(owners), device=device) + shifts[owners]
        neighbours = vertices.neighbours
        self._table = torch.full((total, neighbours.shape[1]), total, device=device)
        self._table[self._slots] = torch.where(neighbours < 0, total, self._slots[neighbours])
        mass = self._at_slots(vertices.counts[None].double(), empty=1.0)
        scale = torch.ones_like(mass)
        for _ in range(BISTOCHASTIC_STEPS):
            scale = (scale * mass / (self._spread(scale) + CENTRE * scale)).sqrt_()
        self._scale = scale
        self._degree = scale * self._spread(scale)

    def solve(
        self, data: Tensor, weight: Tensor, lam: float, tolerance: float, iterations: int
    ) -> Tensor:
        """Solve as in :meth:`SparseSystem.solve`; each system stops changing once it has converged.

        Args:
            data: Right-hand sides, float64, ``[T, N]``.
            weight: Confidence at the vertices, float64, ``[1 or T, N]``.
            lam: Weight of the smoothness.
            tolerance: Residual to stop at, relative to the right-hand side of each image.
            iterations: Maximum number of steps.

        Returns:
            Values at the vertices, float64, ``[T, N]``.
        """
        data, weight = self._at_slots(data, empty=0.0), self._at_slots(weight, empty=1.0)
        diagonal = (lam * self._degree + weight).clamp_(min=DIAGONAL_MIN)
        root = diagonal.sqrt()
        coupling = self._scale * lam**0.5 / root
        solution = data / weight.clamp(min=DIAGONAL_MIN) * root
        residual = data / root - solution + coupling * self._spread(coupling * solution)
        limit = tolerance**2 * _dot(data, data)
        direction, previous = torch.zeros_like(data), torch.ones_like(limit)
        for _ in range(iterations):
            active = _dot(residual.square(), diagonal) > limit
            product = _dot(residual, residual)
            direction = residual + direction * torch.where(active, product / previous, 0)
            image = direction - coupling * self._spread(coupling * direction)
            length = torch.where(active, product / _dot(direction, image), 0)
            solution = solution + length * direction
            residual = residual - length * image
            previous = product
        return (solution / root).flatten(1).index_select(1, self._slots)

    def _at_slots(self, values: Tensor, empty: float) -> Tensor:
        """Copy values ``[T, N]`` of vertices to slots ``[T, B, V]``, filling unused slots."""
        slots = values.new_full((len(values), self._shape[0] * self._shape[1]), empty)
        return slots.index_copy_(1, self._slots, values).view(-1, *self._shape)

    def _spread(self, values: Tensor) -> Tensor:
        """Return the sum of the values ``[T, B, V]`` over the neighbours of each slot."""
        return pad(values.flatten(1), (0, 1))[:, self._table].sum(-1).view(values.shape)


def _dot(left: Tensor, right: Tensor) -> Tensor:
    return (left * right).sum(-1, keepdim=True)
