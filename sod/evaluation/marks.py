"""Marks of significance beside the values of a table."""

from collections.abc import Iterable, Sequence

import numpy as np

from sod.evaluation.lines import ALPHA, BETTER, EQUAL, LOWER_IS_BETTER, MISSING, WORSE, Line
from sod.evaluation.resampling import holm
from sod.evaluation.statistics import Statistics


def add_statistics(
    lines: Sequence[Line],
    columns: Iterable[tuple[str, str]],
    statistics: Statistics,
    against: str | None,
) -> None:
    """Add intervals and the marks of significance to the measured lines of a table.

    Args:
        lines: Measured lines.
        columns: Pairs of (dataset, measure).
        statistics: Confidence intervals and comparisons.
        against: Label of the line that the others are compared with, or None for the best.
    """
    for line in lines:
        for column in line.cells:
            ends = statistics.intervals.get((line.key, *column))
            if ends is not None:
                line.intervals[column] = ends
    for column in columns:
        own = [line for line in lines if column in line.cells]
        own = [line for line in own if MISSING not in line.marks.get(column, "")]
        _mark(own, column, statistics, against)


def _mark(
    lines: list[Line], column: tuple[str, str], statistics: Statistics, against: str | None
) -> None:
    """Mark what differs from one line, or what is not significantly worse than the best one."""
    dataset, name = column
    sign = -1.0 if name in LOWER_IS_BETTER else 1.0
    base = next((line for line in lines if line.key == against), None)
    if against is None and lines:
        base = max(lines, key=lambda line: sign * line.cells[column])
    if base is None:
        return
    others = [line for line in lines if line is not base]
    found = [(line, statistics.p(dataset, name, base.key, line.key)) for line in others]
    tested = [(line, p) for line, p in found if p is not None]
    for (line, _), p in zip(tested, holm(np.array([p for _, p in tested])), strict=True):
        gain = sign * (line.cells[column] - base.cells[column])
        mark = _sign(p, gain, against is None)
        line.marks[column] = mark + line.marks.get(column, "")


def _sign(p: float, gain: float, versus_best: bool) -> str:
    if versus_best:
        return EQUAL if p >= ALPHA else ""
    if p >= ALPHA or gain == 0:
        return ""
    return BETTER if gain > 0 else WORSE
