"""Tables of results as JSON, CSV, Markdown, LaTeX and terminal output."""

import csv
import json
from collections.abc import Iterable, Sequence
from itertools import chain
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table as RichTable
from rich.text import Text

from sod.core.files import atomic_text, write_text
from sod.core.names import one_line
from sod.evaluation.cells import cell_text, interval_text
from sod.evaluation.evaluator import method_label
from sod.evaluation.latex import latex
from sod.evaluation.lines import COSTS, EMPTY, HEADINGS, LOWER_IS_BETTER, MISSING, Line, Row
from sod.evaluation.statistics import Pair, Statistics
from sod.evaluation.tables import Table, make_tables
from sod.evaluation.workbook import sheet_of, write_workbook

HEAD = ("method", "dataset", "images", "refine", "protocol")
_MARKDOWN = {"best": "**{}**", "second": "<u>{}</u>", "": "{}"}
_PLAIN = {"best": "{}", "second": "{}", "": "{}"}
_STYLES = {"best": "bold", "second": "underline", "": ""}
_WIDEST = 9  # measures in the terminal; all are in the files
_FILES_ONLY = frozenset(
    {"adaptive_f", "mean_f", "adaptive_e", "mean_e"}
)  # so that the table fits 80 columns


def write_reports(
    rows: Sequence[Row],
    out: Path,
    *,
    published: Iterable[Row] = (),
    measures: Sequence[str] | None = None,
    statistics: Statistics | None = None,
    against: str | None = None,
) -> list[Path]:
    """Write ``metrics.json``, ``.csv``, ``.md``, ``.tex`` and ``.xlsx`` into a folder.

    With statistics also ``significance.csv``: every pair of methods.

    Args:
        rows: One row per method, dataset and refinement, with the keys of ``HEAD`` and of
            ``HEADINGS``; further keys are kept in ``metrics.json`` only.
        out: Output folder, created if absent.
        published: Rows of ``published_rows`` to add to the Markdown and LaTeX tables.
        measures: Measures in these tables, or None for all.
        statistics: Confidence intervals and comparisons of the rows, or None.
        against: Label of the method that the others are compared with, or None for the best.

    Returns:
        The paths written.
    """
    out.mkdir(parents=True, exist_ok=True)
    statistics = statistics or Statistics()
    tables = make_tables(rows, published, measures, statistics, against)
    paths = [out / f"metrics.{kind}" for kind in ("json", "csv", "md", "tex", "xlsx")]
    complete = [with_intervals(row, statistics) for row in rows]
    text = json.dumps(complete, indent=2, allow_nan=False)
    write_text(paths[0], text + "\n")
    columns = columns_of(complete)
    _write_csv(complete, paths[1], columns)
    sheets = [sheet_of("metrics", columns, complete)]
    if statistics.pairs:
        pairs = [pair._asdict() for pair in statistics.pairs]
        paths.append(out / "significance.csv")
        _write_csv(pairs, paths[-1], Pair._fields)
        sheets.append(sheet_of("significance", Pair._fields, pairs))
    write_workbook(paths[4], sheets)
    write_text(paths[2], "\n".join(map(markdown, tables)))
    write_text(paths[3], "\n".join(map(latex, tables)))
    return paths


def columns_of(rows: Iterable[Row]) -> list[str]:
    """Return the columns of a CSV file: the measures in order, each with its interval."""
    rows = list(rows)
    names = [f"{name}{end}" for name in HEADINGS for end in ("", "_low", "_high")]
    head = [*HEAD, *(key for key in ("missing", "empty") if any(key in row for row in rows))]
    return [*head, *(name for name in names if any(name in row for row in rows))]


def with_intervals(row: Row, statistics: Statistics) -> dict[str, object]:
    """Return a row with the ends of the confidence intervals, as ``iou_low`` and ``iou_high``."""
    label = method_label(str(row["method"]), str(row["refine"]))
    result = dict(row)
    for name in HEADINGS:
        ends = statistics.intervals.get((label, str(row["dataset"]), name))
        if ends is not None:
            result |= {f"{name}_low": ends[0], f"{name}_high": ends[1]}
    return result


def write_per_image(rows: Iterable[Row], path: Path) -> None:
    """Write rows to a CSV file one by one.

    Args:
        rows: Rows with the keys of the first one; an iterator need not hold all in memory.
        path: File to write, ``per_image.csv``.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    remaining = iter(rows)
    first = next(remaining, {})
    _write_csv(chain([first] if first else [], remaining), path, list(first))


def markdown(table: Table) -> str:
    """Return a Markdown table with the best value bold, the second underlined, and notes below.

    A second table has the confidence intervals, if there are any.
    """
    heads = ["Method", *(f"{dataset} {_heading(name)}" for dataset, name in table.columns)]
    lines = [heads, ["---", *("---:" for _ in table.columns)]]
    for line in table.lines:
        label = line.label(table.protocol).replace("|", r"\|")
        lines.append([label, *(cell_text(line, column, _MARKDOWN) for column in table.columns)])
    body = [f"| {' | '.join(cells)} |" for cells in lines]
    text = [*body, "", *(f"{note}  " for note in table.notes), ""]
    measured = [line for line in table.lines if line.intervals]
    if measured:
        text += [f"95 % confidence intervals ({table.resamples:,} resamples of the images):", ""]
        text += [f"| {' | '.join(cells)} |" for cells in (heads, lines[1])]
        for line in measured:
            ends = (interval_text(line, column) for column in table.columns)
            text.append(f"| {line.label(table.protocol)} | {' | '.join(ends)} |")
        text.append("")
    return "\n".join(text)


def rich_table(
    rows: Sequence[Row],
    published: Iterable[Row] = (),
    statistics: Statistics | None = None,
    against: str | None = None,
) -> RenderableType:
    """Return terminal tables, one per dataset and protocol, each followed by its notes.

    Adaptive and mean F and E are omitted, so that a line fits 80 columns.
    """
    published = list(published)
    parts: list[RenderableType] = []
    for dataset in dict.fromkeys(row["dataset"] for row in rows):
        own = [row for row in rows if row["dataset"] == dataset]
        names = [name for name in HEADINGS if name not in _FILES_ONLY and name in own[0]]
        costs = [name for name in names if name in COSTS]
        shown_here = [*[name for name in names if name not in COSTS][:_WIDEST], *costs]
        for table in make_tables(own, published, shown_here, statistics, against):
            shown = RichTable(
                title=Text(one_line(str(dataset))), title_justify="left", box=SIMPLE_HEAD, padding=0
            )
            shown.add_column("method", overflow="fold")
            for _, name in table.columns:
                shown.add_column(HEADINGS[name], justify="right", no_wrap=True)
            for line in table.lines:
                cells = [_text(line, column) for column in table.columns]
                shown.add_row(Text(one_line(line.label(table.protocol))), *cells)
            parts += [shown, *(_note(note) for note in table.notes)]
    return Group(*parts)


def _note(note: str) -> Text:
    return Text(note, style="red" if note.startswith((MISSING, EMPTY)) else "dim")


def _write_csv(rows: Iterable[Row], path: Path, columns: Sequence[str]) -> None:
    with atomic_text(path) as file:
        writer = csv.DictWriter(file, columns, restval="", extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)


def _heading(name: str) -> str:
    return f"{HEADINGS[name]} {'↓' if name in LOWER_IS_BETTER else '↑'}"


def _text(line: Line, column: tuple[str, str]) -> Text:
    value = cell_text(line, column, _PLAIN).removeprefix("0")
    value = value.replace(" ± 0", "±")
    return Text(value, style=_STYLES[line.ranks.get(column, "")])
