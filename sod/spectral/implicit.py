"""The affinity graph of many tokens without its matrix: weights are computed in blocks."""

from collections.abc import Iterator

import torch
from torch import Tensor

from sod.core.precision import full_precision_region
from sod.spectral.graph import Graph, check_eps, unit_tokens
from sod.spectral.packed import PackedMatrix

MATRIX_TOKENS = 8192
"""Graphs of more tokens are cut without their matrix, which takes 13 bytes times their square."""
BLOCK = 1024
"""Rows and columns of the weights that are computed at once, a multiple of 8."""
HELD_BYTES = 2**26
"""Connections of binary graphs are held, one bit each, up to so many bytes (23,170 tokens)."""


def is_large(count: int) -> bool:
    """Return whether the graph of so many tokens is cut without its matrix."""
    return count > MATRIX_TOKENS


class ImplicitGraph:
    """The graph of :func:`sod.spectral.affinity`, for solvers that need only products.

    Memory is that of the features, of some blocks, and of at most ``HELD_BYTES``: a binary graph
    within that bound computes its similarities once and keeps one bit of each. All others compute
    them in each product. Only the blocks on and above the diagonal are computed, which makes the
    weights exactly symmetric.

    Args:
        features: Tokens of one image, ``[N, C]``, any floating type, on a device with float64.
        tau: Threshold on the cosine similarity.
        eps: Weight of the edges at or below the threshold, positive.
        graph: ``binary`` or ``weighted`` edges.

    Raises:
        SodError: If a feature is not finite or ``eps`` is not positive.
    """

    @full_precision_region
    def __init__(
        self, features: Tensor, tau: float, eps: float = 1e-5, graph: Graph = "binary"
    ) -> None:
        check_eps(eps)
        self._unit = unit_tokens(features.detach()).contiguous()
        self._tau, self._eps, self._graph = tau, eps, graph
        count = len(self._unit)
        holds = graph == "binary" and count**2 <= 8 * HELD_BYTES
        self._connections = PackedMatrix(count, self.device) if holds else None
        self._extremes = self._survey()

    @property
    def device(self) -> torch.device:
        """Where the graph is computed."""
        return self._unit.device

    def is_uniform(self) -> bool:
        """Return whether all edges have equal weights, as :func:`sod.spectral.graph.is_uniform`."""
        if len(self._unit) < 2:
            return True
        # The weight does not fall with the similarity, so that its extremes are those of the edges.
        lowest, highest = (self._eps + self._excess(self._extremes)).sort().values.tolist()
        return bool(highest - lowest <= 1e-6 * highest)

    def degrees(self) -> Tensor:
        """Return the row sums of the weights, ``[N]`` in float64."""
        return self.product(torch.ones(len(self._unit), dtype=torch.float64, device=self.device))

    @full_precision_region
    def product(self, vector: Tensor) -> Tensor:
        """Multiply the weights by a vector ``[N]`` in float64."""
        rest = self._eps * vector.sum()
        if self._connections is not None:
            return (1 - self._eps) * self._connections.product(vector) + rest
        result = torch.zeros_like(vector)
        for row, column, similarity in self._blocks():
            excess = self._excess(similarity)
            rows, columns = slice(row, row + BLOCK), slice(column, column + BLOCK)
            result[rows] += excess @ vector[columns]
            if row != column:
                result[columns] += excess.mT @ vector[rows]
        return result + rest

    def _survey(self) -> Tensor:
        """Fill in the connections, and return the extremes of the similarities of two tokens."""
        low, high = self._unit.new_tensor([torch.inf, -torch.inf])
        for row, column, similarity in self._blocks():
            if self._connections is not None:
                self._connections.fill(row, column, similarity > self._tau)
                self._connections.fill(column, row, similarity.mT > self._tau)
            low = low.minimum(similarity.amin())
            if row == column:  # a token and itself are no edge
                similarity.fill_diagonal_(-torch.inf)
            high = high.maximum(similarity.amax())
        return torch.stack([low, high])

    def _blocks(self) -> Iterator[tuple[int, int, Tensor]]:
        """Yield the similarities on and above the diagonal, with first row and first column."""
        parts = torch.split(self._unit, BLOCK)
        for number, left in enumerate(parts):
            for other, right in enumerate(parts[number:], number):
                block = left @ right.mT
                if other == number:  # products may be asymmetric in the last bit
                    block = (block + block.mT) / 2
                yield number * BLOCK, other * BLOCK, block

    def _excess(self, similarity: Tensor) -> Tensor:
        """Return by how much the weights exceed ``eps``, in float64."""
        connected = similarity > self._tau
        if self._graph == "binary":
            return connected.double() * (1 - self._eps)
        return connected * (similarity.double() - self._eps).clamp_min(0)
