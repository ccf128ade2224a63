"""Consecutive numbers for the distinct values among many integers."""

import torch
from torch import Tensor


class Numbering:
    """Numbers 0..n-1, in increasing order, for the distinct values among integer keys.

    A table over the whole span answers where it is not much larger than the keys; otherwise the
    keys are sorted. Both give the same numbers and neither can collide.

    Args:
        keys: Keys in ``[0, span)``, int32 or int64, ``[K]``.
        span: Number of possible keys.

    Attributes:
        values: The distinct keys, increasing, int64, ``[n]``.
        numbers: The number of each key, int32 or int64, ``[K]``.
        counts: How often each value occurs, int64, ``[n]``.
    """

    def __init__(self, keys: Tensor, span: int) -> None:
        self._table: Tensor | None = None
        if span <= 8 * len(keys) + 2**16:
            occurrences = torch.bincount(keys, minlength=span)
            self.values = occurrences.nonzero().flatten()
            self.counts = occurrences.index_select(0, self.values)
            self._table = torch.full((span,), -1, dtype=torch.int32, device=keys.device)
            ascending = torch.arange(len(self.values), dtype=torch.int32, device=keys.device)
            self._table.index_copy_(0, self.values, ascending)
            self.numbers = self._table.index_select(0, keys)
        else:
            self.values, self.numbers, self.counts = torch.unique(
                keys.long(), return_inverse=True, return_counts=True
            )

    def __len__(self) -> int:
        return len(self.values)

    def find(self, keys: Tensor) -> Tensor:
        """Return the number of each key in ``[0, span)``, or -1 where it has none."""
        if self._table is not None:
            return self._table.index_select(0, keys)
        places = torch.searchsorted(self.values, keys).clamp_(max=len(self) - 1)
        return torch.where(self.values.index_select(0, places) == keys, places, -1)
