"""Consecutive indices for the distinct values of an integer tensor."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor


class Numbering:
    """Indices 0 to n - 1, in increasing order, for the distinct values of integer keys.

    A lookup table over the whole span is used if it is not much larger than the keys; otherwise
    the keys are sorted. Both give the same indices, and neither has collisions.

    Args:
        keys: Keys in ``[0, span)``, int32 or int64, ``[K]``.
        span: Number of possible keys.
        parts: Lengths of consecutive parts of the keys, if all keys of a part are larger than
            those of the part before: the parts are sorted one by one, which bounds the memory.

    Attributes:
        values: The distinct keys, increasing, int64, ``[n]``.
        numbers: Index of each key in ``values``, int32 or int64, ``[K]``.
        counts: Number of occurrences of each value, int64, ``[n]``.
    """

    def __init__(self, keys: Tensor, span: int, parts: Sequence[int] = ()) -> None:
        self._table: Tensor | None = None
        if parts:
            self._number(keys, parts)
        elif span <= 8 * len(keys) + 2**16:
            occurrences = torch.bincount(keys, minlength=span)
            self.values = _positive(occurrences)
            self.counts = occurrences.index_select(0, self.values)
            self._table = torch.full((span,), -1, dtype=torch.int32, device=keys.device)
            ascending = torch.arange(len(self.values), dtype=torch.int32, device=keys.device)
            self._table.index_copy_(0, self.values, ascending)
            self.numbers = self._table.index_select(0, keys)
        else:
            self.values, self.numbers, self.counts = torch.unique(
                keys.long(), return_inverse=True, return_counts=True
            )

    def _number(self, keys: Tensor, parts: Sequence[int]) -> None:
        """Number the keys part by part."""
        self.numbers = torch.empty(len(keys), dtype=torch.int32, device=keys.device)
        values, counts, start, total = [], [], 0, 0
        for part in torch.split(keys, list(parts)):
            distinct, indices, occurrences = torch.unique(
                part.long(), return_inverse=True, return_counts=True
            )
            self.numbers[start : start + len(part)] = indices.add_(total)
            values.append(distinct)
            counts.append(occurrences)
            start, total = start + len(part), total + len(distinct)
        self.values, self.counts = torch.cat(values), torch.cat(counts)

    def __len__(self) -> int:
        return len(self.values)

    def find(self, keys: Tensor) -> Tensor:
        """Return the index of each key in ``[0, span)``, or -1 for keys that do not occur."""
        if self._table is not None:
            return self._table.index_select(0, keys)
        positions = torch.searchsorted(self.values, keys).clamp_(max=len(self) - 1)
        return torch.where(self.values.index_select(0, positions) == keys, positions, -1)


def _positive(counts: Tensor) -> Tensor:
    """Return the indices of positive counts, int64."""
    if counts.device.type != "cpu":
        return counts.nonzero().flatten()
    return torch.from_numpy(np.flatnonzero(counts.numpy() > 0))  # faster than PyTorch there
