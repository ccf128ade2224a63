"""Measures per group of images, beside those over all images of a data set."""

from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import Tensor

from sod.core.distributed import gather
from sod.metrics.catalogue import MEASURES
from sod.metrics.functional import Measured, summarise
from sod.metrics.protocols import Protocol

MEAN = "mean of groups"
"""Name of the row with the unweighted mean over the groups."""
Row = dict[str, object]


class GroupSums:
    """Sums of the measures and curves of the images of each group.

    Args:
        protocol: The protocol.
        measures: Names of the measures.
    """

    def __init__(self, protocol: Protocol, measures: Sequence[str] = MEASURES) -> None:
        self.protocol = protocol
        self.measures = tuple(measures)
        self._sums: dict[str, Measured] = {}
        self._counts: dict[str, int] = {}

    def add(self, group: str, measured: Measured) -> None:
        """Add one image to a group."""
        self.add_part(group, 1, Measured(*(part.cpu() for part in measured)))

    def add_part(self, group: str, count: int, sums: Measured) -> None:
        """Add the sums over ``count`` images to a group."""
        if group in self._sums:
            pairs = zip(self._sums[group], sums, strict=True)
            sums = Measured(*(sum_ + part for sum_, part in pairs))
        self._sums[group] = sums
        self._counts[group] = self._counts.get(group, 0) + count

    def parts(self) -> list[tuple[str, int, Measured]]:
        """Return the name, the number of images and the sums of each group of this process."""
        return [(group, self._counts[group], sums) for group, sums in self._sums.items()]

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
        rows = [self._row(*group) for group in zip(names, counts, means, strict=True)]
        return [*rows, self._row(MEAN, sum(counts), torch.stack(means).mean(0))]

    def _mean(self, parts: Iterable[Mapping[str, Measured]], group: str, count: int) -> Tensor:
        """Return the measures of one group."""
        sums = [part[group] for part in parts if group in part]
        means = [torch.stack(fields).sum(0) / count for fields in zip(*sums, strict=True)]
        return summarise(Measured(*means), self.protocol, self.measures)

    def _row(self, group: str, images: int, values: Tensor) -> Row:
        measures = dict(zip(self.measures, values.tolist(), strict=True))
        return {"group": group or ".", "images": images, **measures}
