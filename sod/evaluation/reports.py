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

from sod.evaluation.tables import (
    HEADINGS,
    LOWER_IS_BETTER,
    Line,
    Row,
    Table,
    format_value,
    make_tables,
)

HEAD = ("method", "dataset", "images", "refine", "protocol")
_MARKDOWN = {"best": "**{}**", "second": "<u>{}</u>", "": "{}"}
_LATEX = {"best": r"\textbf{{{}}}", "second": r"\underline{{{}}}", "": "{}"}
_PLAIN = {"best": "{}", "second": "{}", "": "{}"}
_STYLES = {"best": "bold", "second": "underline", "": ""}
_FILES_ONLY = frozenset(
    {"adaptive_f", "mean_f", "adaptive_e", "mean_e"}
)  # so that the table fits 80 columns
_TEX_SPECIAL = str.maketrans(
    {char: rf"\{char}" for char in "&%$#_{}"}
    | {
        "†": r"$^\dagger$",
        "²": "$^2$",
        "β": r"$\beta$",
        "<": "$<$",
        ">": "$>$",
        "|": "$|$",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "\\": r"\textbackslash{}",
    }
)


def write_reports(
    rows: Sequence[Row],
    out: Path,
    *,
    published: Iterable[Row] = (),
    measures: Sequence[str] | None = None,
) -> list[Path]:
    """Write ``metrics.json``, ``.csv``, ``.md`` and ``.tex`` into a folder.

    Args:
        rows: One row per method, dataset and refinement, with the keys of ``HEAD`` and of
            ``HEADINGS``; further keys are kept in ``metrics.json`` only.
        out: Output folder, created if absent.
        published: Rows of ``published_rows`` to add to the Markdown and LaTeX tables.
        measures: Measures in these tables, or None for all.

    Returns:
        The paths written.
    """
    out.mkdir(parents=True, exist_ok=True)
    tables = make_tables(rows, published, measures)
    paths = [out / f"metrics.{kind}" for kind in ("json", "csv", "md", "tex")]
    text = json.dumps([dict(row) for row in rows], indent=2, allow_nan=False)
    paths[0].write_text(text + "\n", encoding="utf-8")
    columns = [*HEAD, *(name for name in HEADINGS if any(name in row for row in rows))]
    _write_csv(rows, paths[1], columns)
    paths[2].write_text("\n".join(map(markdown, tables)), encoding="utf-8")
    paths[3].write_text("\n".join(map(latex, tables)), encoding="utf-8")
    return paths


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
    """Return a Markdown table with the best value bold, the second underlined, and notes below."""
    heads = ["Method", *(f"{dataset} {_heading(name)}" for dataset, name in table.columns)]
    lines = [heads, ["---", *("---:" for _ in table.columns)]]
    for line in table.lines:
        label = line.label(table.protocol).replace("|", r"\|")
        lines.append([label, *(_cell(line, column, _MARKDOWN) for column in table.columns)])
    body = [f"| {' | '.join(cells)} |" for cells in lines]
    return "\n".join([*body, "", *(f"{note}  " for note in table.notes), ""])


def latex(table: Table) -> str:
    """Return a LaTeX table for ``booktabs`` with the best value bold and the second underlined."""
    names = [name for _, name in table.columns]
    datasets = list(dict.fromkeys(dataset for dataset, _ in table.columns))
    span = len(names) // max(len(datasets), 1)
    groups = [rf"\multicolumn{{{span}}}{{c}}{{{_tex(dataset)}}}" for dataset in datasets]
    rules = "".join(
        rf"\cmidrule(lr){{{2 + span * k}-{1 + span * (k + 1)}}}" for k in range(len(datasets))
    )
    body: list[str] = []
    for line in table.lines:
        if line.published and body and r"\midrule" not in body:
            body.append(r"\midrule")
        cells = [_cell(line, column, _LATEX) for column in table.columns]
        body.append(" & ".join([_tex(line.label(table.protocol)), *cells]) + r" \\")
    heads = " & ".join(["Method", *(_tex_heading(name) for name in names)])
    return "\n".join(
        [
            *(f"% {note}" for note in table.notes),
            rf"\begin{{tabular}}{{l{'r' * len(names)}}}",
            r"\toprule",
            " & ".join(["", *groups]) + r" \\",
            rules,
            heads + r" \\",
            r"\midrule",
            *body,
            r"\bottomrule",
            r"\end{tabular}",
            r"\par\footnotesize " + _tex(" ".join(table.notes)),
            "",
        ]
    )


def rich_table(rows: Sequence[Row], published: Iterable[Row] = ()) -> RenderableType:
    """Return terminal tables, one per dataset and protocol, each followed by its notes.

    Adaptive and mean F and E are omitted, so that a line fits 80 columns.
    """
    published = list(published)
    parts: list[RenderableType] = []
    for dataset in dict.fromkeys(row["dataset"] for row in rows):
        own = [row for row in rows if row["dataset"] == dataset]
        shown_here = [name for name in HEADINGS if name not in _FILES_ONLY and name in own[0]]
        for table in make_tables(own, published, shown_here):
            shown = RichTable(title=str(dataset), title_justify="left", box=SIMPLE_HEAD, padding=0)
            shown.add_column("method", overflow="fold")
            for _, name in table.columns:
                shown.add_column(HEADINGS[name], justify="right", no_wrap=True)
            for line in table.lines:
                cells = [_text(line, column) for column in table.columns]
                shown.add_row(line.label(table.protocol), *cells)
            parts += [shown, *(Text(note, style="dim") for note in table.notes)]
    return Group(*parts)


def _write_csv(rows: Iterable[Row], path: Path, columns: Sequence[str]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, restval="", extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)


def _heading(name: str) -> str:
    return f"{HEADINGS[name]} {'↓' if name in LOWER_IS_BETTER else '↑'}"


def _tex_heading(name: str) -> str:
    arrow = "downarrow" if name in LOWER_IS_BETTER else "uparrow"
    return rf"{HEADINGS[name]} $\{arrow}$"


def _cell(line: Line, column: tuple[str, str], marks: dict[str, str]) -> str:
    if column not in line.cells:
        return "–"
    value = format_value(line.cells[column], column[1])
    return marks[line.ranks.get(column, "")].format(value)


def _text(line: Line, column: tuple[str, str]) -> Text:
    value = _cell(line, column, _PLAIN).removeprefix("0")
    return Text(value, style=_STYLES[line.ranks.get(column, "")])


def _tex(text: str) -> str:
    return text.translate(_TEX_SPECIAL)
