"""Parts of the HTML report: tables, figures and galleries as text."""

import base64
import io
import json
from collections.abc import Iterable, Sequence
from html import escape

from matplotlib.figure import Figure
from PIL import Image
from torch import Tensor

from sod.evaluation.gallery import Case
from sod.evaluation.lines import HEADINGS, LOWER_IS_BETTER, Line, format_value
from sod.evaluation.statistics import Pair
from sod.evaluation.tables import Table

_NONE = "–"
_HEIGHT = 260  # pixels of a picture on the page


def table_part(table: Table) -> str:
    """Return a sortable table with ranks and intervals, and the notes below it."""
    names = [
        f"{dataset} {HEADINGS[name]} {'↓' if name in LOWER_IS_BETTER else '↑'}"
        for dataset, name in table.columns
    ]
    rows = [
        f"<tr{' class=published' if line.published else ''}>"
        f"<td>{escape(line.label(table.protocol))}</td>"
        + "".join(_cell(line, column) for column in table.columns)
        + "</tr>"
        for line in table.lines
    ]
    notes = "".join(f'<p class="note">{escape(note)}</p>' for note in table.notes)
    if any(line.intervals for line in table.lines):
        notes += '<p class="note">Small figures: 95 % confidence intervals.</p>'
    return sortable(["Method", *names], rows) + notes


def _cell(line: Line, column: tuple[str, str]) -> str:
    if column not in line.cells:
        return f"<td>{_NONE}</td>"
    name, number = column[1], line.cells[column]
    text = format_value(number, name)
    if column in line.spreads:
        text += f" ± {format_value(line.spreads[column], name)}"
    text += line.marks.get(column, "")
    small = ""
    if column in line.intervals:
        low, high = (format_value(end, name) for end in line.intervals[column])
        small = f"<small>{low}–{high}</small>"
    rank = line.ranks.get(column, "")
    return f'<td class="{rank}" data-value="{number:.9g}">{escape(text)}{small}</td>'


def sortable(heads: Iterable[str], rows: Iterable[str], key: str = "") -> str:
    """Return a table whose columns sort when their heading is clicked."""
    name = f' id="{key}"' if key else ""
    columns = "".join(f"<th>{escape(head)}</th>" for head in heads)
    body = "".join(rows)
    return (
        f'<div class="scroll"><table{name}><thead><tr>{columns}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def pairs_part(pairs: Sequence[Pair]) -> str:
    """Return a sortable table of all pairs of methods, with a field to filter it."""
    rows = []
    for pair in pairs:
        low, high = (f"{end:+.4f}" for end in (pair.low, pair.high))
        texts = (pair.dataset, HEADINGS[pair.measure], pair.first, pair.second)
        cells = "".join(f'<td class="text">{escape(text)}</td>' for text in texts)
        cells += f'<td data-value="{pair.difference:.9g}">{pair.difference:+.4f}</td>'
        cells += f'<td data-value="{pair.low:.9g}">{low} … {high}</td>'
        cells += f'<td data-value="{pair.p:.9g}">{pair.p:.4f}</td>'
        rows.append(f"<tr>{cells}</tr>")
    heads = ("Data set", "Measure", "First", "Second", "First − second", "95 % interval", "p")
    field = (
        '<input class="filter" data-table="pairs" type="search" '
        'placeholder="filter, for example: ECSSD IoU" aria-label="filter the pairs">'
    )
    return field + sortable(heads, rows, "pairs")


def figure_part(figure: Figure, caption: str) -> str:
    """Return a Matplotlib figure as inline SVG."""
    stream = io.StringIO()
    figure.savefig(stream, format="svg", metadata={"Date": None, "Creator": None})
    svg = stream.getvalue()
    return f"<figure>{svg[svg.index('<svg') :]}<figcaption>{escape(caption)}</figcaption></figure>"


def cases_part(cases: Sequence[Case], heading: str) -> str:
    """Return image cards: photo, mask and maps, two of them compared by a slider.

    Args:
        cases: Thumbnails.
        heading: Heading of the scores, such as ``IoU``.
    """
    return f'<div class="cases">{"".join(_case(case, heading) for case in cases)}</div>'


def _case(case: Case, heading: str) -> str:
    pictures = {"photo": _picture(case.image, "JPEG"), "mask": _picture(case.mask, "PNG")}
    pictures |= {label: _picture(levels, "JPEG") for label, levels in case.maps.items()}
    last = next(iter(case.maps), "mask")
    options = ["".join(_options(pictures, chosen)) for chosen in ("photo", last)]
    scores = ", ".join(f"{escape(label)} {score:.3f}" for label, score in case.scores.items())
    data = json.dumps(pictures).replace("</", "<\\/")
    height, width = case.image.shape[:2]
    shape = f"width: min(100%, {_HEIGHT * width // height}px); aspect-ratio: {width} / {height}"
    return (
        f'<div class="case"><div class="stage" style="{shape}">'
        f'<img alt="{escape(case.name)}"><img class="over" alt=""><i></i></div>'
        '<input type="range" min="0" max="100" value="50" aria-label="position of the divide">'
        f'<div class="row"><select aria-label="left">{options[0]}</select>'
        f'<select aria-label="right">{options[1]}</select></div>'
        f'<div class="scores"><b>{escape(case.name)}</b> {heading}: {scores}</div>'
        f'<script type="application/json">{data}</script></div>'
    )


def _options(names: Iterable[str], chosen: str) -> Iterable[str]:
    for name in names:
        mark = " selected" if name == chosen else ""
        yield f'<option value="{escape(name)}"{mark}>{escape(name)}</option>'


def _picture(levels: Tensor, kind: str) -> str:
    """Return an image as a data URI."""
    stream = io.BytesIO()
    options = {"quality": 82} if kind == "JPEG" else {"optimize": True}
    Image.fromarray(levels.numpy()).save(stream, kind, **options)
    text = base64.b64encode(stream.getvalue()).decode("ascii")
    return f"data:image/{kind.lower()};base64,{text}"
