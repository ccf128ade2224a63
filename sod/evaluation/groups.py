"""Measures per group of images, beside those over all images of a data set."""

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

from sod.core.distributed import gather
from sod.metrics.functional import MEASURES, Measured, summarise
from sod.metrics.protocols import Protocol

MEAN = "mean of groups"
"""Name of the row with the unweighted mean over the groups."""
Row = dict[str, object]


class GroupSums:
    """Sums of the measures and curves of the images of each group.

    Args:
        protocol: The protocol.
    """

    def __init__(self, protocol: Protocol) -> None:
        self.protocol = protocol
        self._sums: dict[str, Measured] = {}
        self._counts: dict[str, int] = {}

    def add(self, group: str, measured: Measured) -> None:
        """Add one image to a group."""
        values, curves = (part.cpu() for part in measured)
        if group in self._sums:
            values, curves = self._sums[group].values + values, self._sums[group].curves + curves
        self._sums[group] = Measured(values, curves)
        self._counts[group] = self._counts.get(group, 0) + 1

    def rows(self) -> list[Row]:
        """Return one row per group and their mean; every process must call this.

        Returns:
            Rows of ``group``, ``images`` and the measures, in order of the groups' names; none for
            a set of a single group.
        """
        parts = gather([(self._sums, self._counts)])
        names = sorted({name for sums, _ in parts for name in sums})
        if len(names) < 2:
            return []
        counts = [sum(count.get(name, 0) for _, count in parts) for name in names]
        means = [
            self._mean([sums for sums, _ in parts], *pair)
            for pair in zip(names, counts, strict=True)
        ]
        rows = [_row(*group) for group in zip(names, counts, means, strict=True)]
        return [*rows, _row(MEAN, sum(counts), torch.stack(means).mean(0))]

    def _mean(self, parts: Iterable[Mapping[str, Measured]], group: str, count: int) -> Tensor:
        """Return the measures of one group."""
        sums = [part[group] for part in parts if group in part]
        values = torch.stack([each.values for each in sums]).sum(0)
        curves = torch.stack([each.curves for each in sums]).sum(0)
        return summarise(values / count, curves / count, self.protocol)


def _row(group: str, images: int, values: Tensor) -> Row:
    return {
        "group": group or ".",
        "images": images,
        **dict(zip(MEASURES, values.tolist(), strict=False)),
    }
