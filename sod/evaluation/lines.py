"""Lines of result tables: headings, values, and the sets and runs behind them."""

from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from statistics import fmean, stdev
from typing import Literal

from sod.evaluation.statistics import base_of
from sod.metrics.catalogue import CATALOGUE, GROUPS

Row = Mapping[str, object]
Rank = Literal["best", "second", ""]

OTHERS = {"corloc": "CorLoc", "seconds_per_image": "s/image", "peak_memory_mb": "MiB"}
"""Headings of what is no measure of a map and a mask."""
COSTS = ("seconds_per_image", "peak_memory_mb")
ALPHA = 0.05
EQUAL, BETTER, WORSE, MISSING, EMPTY = "≈", "▲", "▼", "‡", "∅"
"""Marks beside a value; the notes below a table explain those it has."""


class _Headings(Mapping[str, str]):
    """Heading of each measure, in the order of tables; measures of other packages may be added."""

    def __getitem__(self, name: str) -> str:
        return OTHERS[name] if name in OTHERS else CATALOGUE[name].heading

    def __iter__(self) -> Iterator[str]:
        own = (name for name in CATALOGUE if name not in GROUPS["all"])
        return iter([*GROUPS["all"], *own, *OTHERS])

    def __len__(self) -> int:
        return len(CATALOGUE) + len(OTHERS)


class _LowerIsBetter(Container[str]):
    """The measures of which small values are good."""

    def __contains__(self, name: object) -> bool:
        return name in COSTS or (name in CATALOGUE and CATALOGUE[str(name)].lower_is_better)


HEADINGS, LOWER_IS_BETTER = _Headings(), _LowerIsBetter()


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
        marks: Signs beside a value, by (dataset, measure): of significance, and of sets that lack
            maps.
        spreads: Standard deviation over runs with different seeds, by (dataset, measure).
        intervals: 95 % confidence interval, by (dataset, measure).
        runs: Number of runs with different seeds.
        incomplete: Notes on sets that lack maps, by dataset.
    """

    method: str
    refine: str
    published: bool
    protocol: str
    cells: dict[tuple[str, str], float] = field(default_factory=dict)
    ranks: dict[tuple[str, str], Rank] = field(default_factory=dict)
    marks: dict[tuple[str, str], str] = field(default_factory=dict)
    spreads: dict[tuple[str, str], float] = field(default_factory=dict)
    intervals: dict[tuple[str, str], tuple[float, float]] = field(default_factory=dict)
    runs: int = 1
    incomplete: dict[str, str] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """Label of the line in the statistics."""
        return self.method if self.refine == "none" else f"{self.method}+{self.refine}"

    def label(self, protocol: str) -> str:
        """Return the first cell: published lines get a dagger, and a protocol if theirs differs."""
        name = self.method if self.refine == "none" else f"{self.method} + {self.refine}"
        name += f" ({self.runs} runs)" if self.runs > 1 else ""
        if not self.published:
            return name
        return f"{name} †" if self.protocol == protocol else f"{name} † ({self.protocol})"


def make_lines(rows: Iterable[Row], columns: list[tuple[str, str]]) -> list[Line]:
    """Return a line per method and refinement; runs with different seeds are one line.

    Args:
        rows: Rows of ``metrics.json``, or published ones.
        columns: Pairs of (dataset, measure) to fill.
    """
    lines: dict[tuple[str, str, str], Line] = {}
    values: dict[int, dict[tuple[str, str], list[float]]] = {}
    for row in rows:
        method, refine, protocol = (str(row[key]) for key in ("method", "refine", "protocol"))
        published = bool(row.get("published"))
        method = method if published else base_of(method)
        new = Line(method, refine, published, protocol)
        line = lines.setdefault((method, refine, protocol), new)
        _note_missing(line, row)
        for dataset, name in columns:
            value = row.get(name)
            if row["dataset"] == dataset and isinstance(value, (int, float)):
                cells = values.setdefault(id(line), {})
                cells.setdefault((dataset, name), []).append(float(value))
    for line in lines.values():
        for column, numbers in values.get(id(line), {}).items():
            line.cells[column] = fmean(numbers)
            line.runs = max(line.runs, len(numbers))
            if len(numbers) > 1:
                line.spreads[column] = stdev(numbers)
    return [line for line in lines.values() if line.cells]


def _note_missing(line: Line, row: Row) -> None:
    dataset = str(row["dataset"])
    for key, what in (("missing", "not ranked"), ("empty", "the others are scored as empty maps")):
        absent = row.get(key)
        if isinstance(absent, int) and absent:
            total = int(str(row["images"])) + (absent if key == "missing" else 0)
            mark = MISSING if key == "missing" else EMPTY
            line.incomplete[dataset] = (
                f"{mark} {row['method']} has maps of {total - absent} of {total} images of "
                f"{dataset}; {what}."
            )


def format_value(value: float, measure: str) -> str:
    """Format a value: three decimals; times three significant digits; memory none; HCE one."""
    if measure == "peak_memory_mb":
        return f"{value:.0f}"
    if measure == "hce":
        return f"{value:.1f}"
    return f"{value:.3g}" if measure == "seconds_per_image" else f"{value:.3f}"
