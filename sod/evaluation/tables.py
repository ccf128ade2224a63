"""Layout of result tables: a line per method, a column per dataset and measure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sod.evaluation.lines import (
    ALPHA,
    BETTER,
    EQUAL,
    HEADINGS,
    LOWER_IS_BETTER,
    MISSING,
    WORSE,
    Line,
    Row,
    format_value,
    make_lines,
)
from sod.evaluation.marks import add_statistics
from sod.evaluation.statistics import Statistics
from sod.metrics.protocols import PROTOCOLS


@dataclass
class Table:
    """Lines that are comparable because they were measured under one protocol.

    Attributes:
        protocol: Name of the protocol.
        columns: Pairs of (dataset, measure), in order.
        lines: Measured lines, then published ones (of other protocols too, marked).
        resamples: Resamples of the statistics; 0 if there are none.
        against: Label of the line that the others are compared with, or None for the best.
    """

    protocol: str
    columns: list[tuple[str, str]]
    lines: list[Line]
    resamples: int = 0
    against: str | None = None

    @property
    def notes(self) -> list[str]:
        """Return the notes to print below the table: protocol, marks, published values."""
        notes = []
        for refined in sorted({line.refine != "none" for line in self.lines if not line.published}):
            if self.protocol in PROTOCOLS:
                notes.append("Protocol " + PROTOCOLS[self.protocol].describe(refined) + ".")
        if not notes:
            notes.append(f"Protocol {self.protocol}.")
        notes.append("Best and second of the measured lines are marked.")
        notes += self._statistics_notes()
        notes += [note for line in self.lines for note in line.incomplete.values()]
        if any(line.published for line in self.lines):
            notes.append("† published numbers, not measured here; in brackets another protocol.")
        return notes

    def _statistics_notes(self) -> list[str]:
        notes = []
        marks = {mark for line in self.lines for mark in "".join(line.marks.values())}
        test = f"sign-flip test over images, {self.resamples:,} draws, Holm-adjusted per column"
        if any(line.runs > 1 for line in self.lines):
            notes.append("± is the standard deviation over runs with different seeds.")
            test += "; t test with the variance of the seeds where there are several runs"
        if EQUAL in marks:
            notes.append(f"{EQUAL} not significantly worse than the best (p ≥ {ALPHA}; {test}).")
        if marks & {BETTER, WORSE}:
            notes.append(
                f"{BETTER} significantly better, {WORSE} significantly worse than {self.against} "
                f"(p < {ALPHA}; {test})."
            )
        return notes


def make_tables(
    rows: Iterable[Row],
    published: Iterable[Row] = (),
    measures: Sequence[str] | None = None,
    statistics: Statistics | None = None,
    against: str | None = None,
) -> list[Table]:
    """Lay rows out in one table per protocol.

    Args:
        rows: Measured rows.
        published: Rows of ``published_rows``; each table shows those of its datasets.
        measures: Measures per dataset, or None for all that any row has.
        statistics: Confidence intervals and comparisons of the rows, or None.
        against: Label of the method that the others are compared with, or None for the best.
    """
    rows, published = list(rows), list(published)
    statistics = statistics or Statistics()
    protocols = dict.fromkeys(str(row["protocol"]) for row in rows)
    tables = []
    for protocol in protocols:
        own = [row for row in rows if row["protocol"] == protocol]
        table = _table(own, published, measures, protocol)
        table.resamples, table.against = statistics.resamples, against
        measured = [line for line in table.lines if not line.published]
        add_statistics(measured, table.columns, statistics, against)
        tables.append(table)
    return tables


def _table(
    rows: list[Row], published: list[Row], measures: Sequence[str] | None, protocol: str
) -> Table:
    datasets = list(dict.fromkeys(str(row["dataset"]) for row in rows))
    shown = measures or [name for name in HEADINGS if any(_has(row, name) for row in rows)]
    columns = [(dataset, name) for dataset in datasets for name in shown]
    lines = make_lines(rows, columns)
    for column in columns:
        _rank(lines, column)
    published_lines = make_lines([row for row in published if row["dataset"] in datasets], columns)
    published_lines.sort(key=lambda line: line.protocol != protocol)
    return Table(protocol, columns, lines + published_lines)


def _has(row: Row, name: str) -> bool:
    return isinstance(row.get(name), (int, float))


def _rank(lines: list[Line], column: tuple[str, str]) -> None:
    """Rank the best and second value of a column; values that print alike share their rank."""
    dataset, name = column
    for line in lines:
        if dataset in line.incomplete:
            line.marks[column] = line.incomplete[dataset][0]
    lines = [line for line in lines if MISSING not in line.marks.get(column, "")]
    values = sorted(
        {format_value(line.cells[column], name) for line in lines if column in line.cells},
        key=float,
        reverse=name not in LOWER_IS_BETTER,
    )
    if len(values) < 2:
        return
    for line in lines:
        if column in line.cells:
            printed = format_value(line.cells[column], name)
            if printed in values[:2]:
                line.ranks[column] = "best" if printed == values[0] else "second"
