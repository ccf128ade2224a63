"""Layout of result tables: a line per method, a column per dataset and measure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from sod.metrics.catalogue import CATALOGUE, GROUPS
from sod.metrics.protocols import PROTOCOLS

Row = Mapping[str, object]
Rank = Literal["best", "second", ""]

HEADINGS = {
    **{name: CATALOGUE[name].heading for name in GROUPS["all"]},
    "corloc": "CorLoc",
    "seconds_per_image": "s/image",
    "peak_memory_mb": "MiB",
}
COSTS = ("seconds_per_image", "peak_memory_mb")
LOWER_IS_BETTER = frozenset(
    {*COSTS, *(name for name, measure in CATALOGUE.items() if measure.lower_is_better)}
)


@dataclass
class Line:
    """One line of a table: a method with one refinement.

    Attributes:
        method: Name of the method.
        refine: ``none``, or the refinement of its maps.
        published: Whether the values come from a publication.
        protocol: Metric protocol of the values.
        cells: Values by (dataset, measure).
        ranks: Rank among the measured lines, by (dataset, measure).
    """

    method: str
    refine: str
    published: bool
    protocol: str
    cells: dict[tuple[str, str], float] = field(default_factory=dict)
    ranks: dict[tuple[str, str], Rank] = field(default_factory=dict)

    def label(self, protocol: str) -> str:
        """Return the first cell: published lines get a dagger, and a protocol if theirs differs."""
        name = self.method if self.refine == "none" else f"{self.method} + {self.refine}"
        if not self.published:
            return name
        return f"{name} †" if self.protocol == protocol else f"{name} † ({self.protocol})"


@dataclass
class Table:
    """Lines that are comparable because they were measured under one protocol.

    Attributes:
        protocol: Name of the protocol.
        columns: Pairs of (dataset, measure), in order.
        lines: Measured lines, then published ones (of other protocols too, marked).
    """

    protocol: str
    columns: list[tuple[str, str]]
    lines: list[Line]

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
        if any(line.published for line in self.lines):
            notes.append("† published numbers, not measured here; in brackets another protocol.")
        return notes


def make_tables(
    rows: Iterable[Row], published: Iterable[Row] = (), measures: Sequence[str] | None = None
) -> list[Table]:
    """Lay rows out in one table per protocol.

    Args:
        rows: Measured rows.
        published: Rows of ``published_rows``; each table shows those of its datasets.
        measures: Measures per dataset, or None for all that any row has.
    """
    rows, published = list(rows), list(published)
    protocols = dict.fromkeys(str(row["protocol"]) for row in rows)
    return [
        _table([row for row in rows if row["protocol"] == protocol], published, measures, protocol)
        for protocol in protocols
    ]


def _table(
    rows: list[Row], published: list[Row], measures: Sequence[str] | None, protocol: str
) -> Table:
    datasets = list(dict.fromkeys(str(row["dataset"]) for row in rows))
    shown = measures or [name for name in HEADINGS if any(_has(row, name) for row in rows)]
    columns = [(dataset, name) for dataset in datasets for name in shown]
    lines = _lines(rows, columns)
    for column in columns:
        _rank(lines, column)
    published_lines = _lines([row for row in published if row["dataset"] in datasets], columns)
    published_lines.sort(key=lambda line: line.protocol != protocol)
    return Table(protocol, columns, lines + published_lines)


def _has(row: Row, name: str) -> bool:
    return isinstance(row.get(name), (int, float))


def _lines(rows: Iterable[Row], columns: list[tuple[str, str]]) -> list[Line]:
    lines: dict[tuple[str, str, str], Line] = {}
    for row in rows:
        method, refine, protocol = (str(row[key]) for key in ("method", "refine", "protocol"))
        line = lines.setdefault(
            (method, refine, protocol),
            Line(method, refine, bool(row.get("published")), protocol),
        )
        for dataset, name in columns:
            value = row.get(name)
            if row["dataset"] == dataset and isinstance(value, (int, float)):
                line.cells[dataset, name] = float(value)
    return [line for line in lines.values() if line.cells]


def _rank(lines: list[Line], column: tuple[str, str]) -> None:
    """Rank the best and second value of a column; values that print alike share their rank."""
    _, name = column
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


def format_value(value: float, measure: str) -> str:
    """Format a value: three decimals; times three significant digits; memory no decimals."""
    if measure == "peak_memory_mb":
        return f"{value:.0f}"
    return f"{value:.3g}" if measure == "seconds_per_image" else f"{value:.3f}"
