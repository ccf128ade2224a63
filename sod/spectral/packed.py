"""A symmetric matrix of zeros and ones, eight entries to a byte, and its products."""

import torch
import torch.nn.functional as F
from torch import Tensor

ROWS = 256
"""Rows that are multiplied at once; their indices take 8 bytes for each byte of the matrix."""


class PackedMatrix:
    """A square matrix of ``count²`` zeros in ``count² / 8`` bytes, to be filled block by block.

    Args:
        count: Number of rows.
        device: Where it is held.
    """

    def __init__(self, count: int, device: torch.device) -> None:
        self._bytes = torch.zeros(count, -(-count // 8), dtype=torch.uint8, device=device)

    def fill(self, row: int, column: int, block: Tensor) -> None:
        """Write a block.

        Args:
            row: Row of its first entry.
            column: Column of its first entry, a multiple of 8.
            block: Bool ``[R, C]``; C is a multiple of 8, unless the block ends with the matrix.
        """
        powers = 2.0 ** torch.arange(8, device=block.device)
        padded = F.pad(block.float(), (0, -block.shape[1] % 8))
        packed = (padded.reshape(-1, 8) @ powers).to(torch.uint8).view(len(block), -1)
        first = column // 8
        self._bytes[row : row + len(block), first : first + packed.shape[1]] = packed

    def product(self, vector: Tensor) -> Tensor:
        """Multiply the matrix by a vector ``[N]`` in float64.

        For each eight entries of the vector, the sums of all their 256 subsets are tabulated (the
        method of the four Russians), so that each byte of the matrix costs one look-up.
        """
        bits = torch.arange(8, device=vector.device)
        subsets = torch.arange(256, device=vector.device) >> bits[:, None] & 1
        groups = F.pad(vector, (0, -len(vector) % 8)).view(-1, 8)
        sums = (groups @ subsets.to(vector)).flatten()
        offsets = 256 * torch.arange(len(groups), device=vector.device)
        parts = torch.split(self._bytes, ROWS)
        return torch.cat([sums.take(part + offsets).sum(1) for part in parts])
