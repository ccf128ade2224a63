"""Attributes, galleries and ``report.html`` of an evaluation."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from sod.core.errors import SodError, suggest
from sod.core.files import write_text
from sod.evaluation.attributes.scores import (
    ClassScore,
    attribute_figure,
    attribute_rows,
    attribute_table,
    class_scores,
    write_attributes,
)
from sod.evaluation.curves import curve_figure
from sod.evaluation.evaluator import Result, method_label
from sod.evaluation.examples import cases, disagreement_names, worst_names
from sod.evaluation.gallery import Case
from sod.evaluation.grid import draw_grid
from sod.evaluation.html.parts import cases_part, figure_part, pairs_part, sortable, table_part
from sod.evaluation.lines import HEADINGS, format_value
from sod.evaluation.pictures import Pictures
from sod.evaluation.plan import Report
from sod.evaluation.statistics import Statistics, base_of
from sod.evaluation.tables import make_tables
from sod.metrics.protocols import get_protocol

Row = Mapping[str, Any]
Scores = dict[str, dict[str, float]]
_CASES = 6  # images of a gallery
_EACH = 3  # worst images of each method
_MOST_PAIRS = 3000


@dataclass
class _Gallery:
    """One gallery of one data set: its file, its title and its images."""

    file: str
    dataset: str
    title: str
    cases: list[Case]


def write_report(
    results: Sequence[Result],
    rows: Sequence[Row],
    published: Sequence[Row],
    statistics: Statistics,
    pictures: Pictures,
    report: Report,
    out: Path,
) -> list[Path]:
    """Write attributes, galleries and ``report.html``.

    Args:
        results: One result per method and data set.
        rows: Rows of the tables.
        published: Published rows to show.
        statistics: Statistics of the tables.
        pictures: Photos, masks and maps.
        report: What to write.
        out: Output folder.

    Returns:
        The paths written.

    Raises:
        SodError: The measure of the galleries was not measured, or the attributes are invalid.
        OSError: A file cannot be written.
    """
    datasets = list(dict.fromkeys(result.dataset for result in results))
    scores = {name: _scores(results, name, report.measure) for name in datasets}
    attributes = [row for name in datasets for row in attribute_rows(pictures, name)]
    classes = {
        name: class_scores(
            [row for row in attributes if row["dataset"] == name],
            _by_method(scores[name]),
            report.attributes,
        )
        for name in datasets
    }
    figure = attribute_figure(classes, report.measure)
    galleries = list(_galleries(pictures, datasets, scores, report.measure))
    paths = _write_attributes(attributes, classes, figure, report, out)
    paths += _draw_galleries(galleries, report, out, named=len(datasets) > 1)
    parts = {
        "Tables": _tables(datasets, rows, published, statistics, report),
        "Differences": _differences(statistics),
        "Curves": _curves(results, report),
        "Attributes": figure_part(figure, "Mean over the images of each class; their number below.")
        + "".join(_attribute_part(name, group, report) for name, group in classes.items()),
        "Galleries": "".join(_gallery_part(gallery, report) for gallery in galleries),
    }
    write_text(out / "report.html", page("Salient-object detection: " + ", ".join(datasets), parts))
    return [*paths, out / "report.html"]


def _write_attributes(
    attributes: Sequence[Row],
    classes: Mapping[str, Sequence[ClassScore]],
    figure: Figure,
    report: Report,
    out: Path,
) -> list[Path]:
    """Write the attributes of the images and the scores of their classes."""
    write_attributes(attributes, out / "attributes.csv")
    tables = (attribute_table(name, group, report.measure) for name, group in classes.items())
    write_text(out / "attributes.md", "\n".join(tables))
    figure.savefig(out / "attributes.png", dpi=150)
    return [out / f"attributes.{kind}" for kind in ("csv", "md", "png")]


def _draw_galleries(
    galleries: Sequence[_Gallery], report: Report, out: Path, *, named: bool
) -> list[Path]:
    """Draw the galleries that have images, with the data set in the file's name if ``named``."""
    paths = []
    for gallery in galleries:
        name = f"{gallery.file}-{gallery.dataset}" if named else gallery.file
        chosen = {gallery.file: gallery.cases[:_CASES]}
        if gallery.cases:
            paths.append(draw_grid(chosen, out / f"{name}.png", heading=HEADINGS[report.measure]))
    return paths


def _tables(
    datasets: Sequence[str],
    rows: Sequence[Row],
    published: Sequence[Row],
    statistics: Statistics,
    report: Report,
) -> str:
    """Return the tables of each data set."""
    groups = ([row for row in rows if row["dataset"] == name] for name in datasets)
    return "".join(
        table_part(table)
        for group in groups
        for table in make_tables(group, published, None, statistics, report.against)
    )


def _gallery_part(gallery: _Gallery, report: Report) -> str:
    """Return one gallery with its heading; nothing of an empty one."""
    if not gallery.cases:
        return ""
    heading = f"<h3>{escape(gallery.dataset)}: {escape(gallery.title)}</h3>"
    return heading + cases_part(gallery.cases, HEADINGS[report.measure])


def page(title: str, parts: Mapping[str, str]) -> str:
    """Return a self-contained HTML page.

    Args:
        title: Title of the page.
        parts: Content by heading; empty parts are left out.
    """
    style, script = (
        files("sod.evaluation.html").joinpath(name).read_text(encoding="utf-8")
        for name in ("report.css", "report.js")
    )
    shown = {name: text for name, text in parts.items() if text}
    links = "".join(f'<a href="#{name.lower()}">{escape(name)}</a>' for name in shown)
    body = "".join(
        f'<section id="{name.lower()}"><h2>{escape(name)}</h2>{text}</section>'
        for name, text in shown.items()
    )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{style}</style></head>"
        f"<body><h1>{escape(title)}</h1><nav>{links}</nav>{body}<script>{script}</script></body>"
        "</html>\n"
    )


def _scores(results: Sequence[Result], dataset: str, measure: str) -> Scores:
    """Return the measure of each image by label."""
    scores: Scores = {}
    for result in results:
        for row in result.per_image if result.dataset == dataset else ():
            if measure not in row:
                known = [name for name in row if name in HEADINGS]
                raise SodError(f"--by {measure}: not measured.{suggest(measure, known)}")
            label = method_label(str(result.rows[0]["method"]), str(row["refine"]))
            scores.setdefault(label, {})[str(row["name"])] = float(row[measure])
    return scores


def _by_method(scores: Scores) -> Scores:
    """Return the mean over the runs of each method."""
    runs: dict[str, list[dict[str, float]]] = {}
    for label, values in scores.items():
        runs.setdefault(base_of(label), []).append(values)
    return {
        label: {
            name: sum(part[name] for part in parts) / len(parts)
            for name in set.intersection(*(set(part) for part in parts))
        }
        for label, parts in runs.items()
    }


def _galleries(
    pictures: Pictures, datasets: Sequence[str], scores: Mapping[str, Scores], measure: str
) -> Iterable[_Gallery]:
    heading = HEADINGS[measure]
    for name in datasets:
        own = scores[name]
        first = next(iter(own))
        names = list(worst_names(own, first, _CASES, measure))
        for label in list(own)[1:]:
            names += worst_names(own, label, _EACH, measure)
        names = list(dict.fromkeys(names))
        title = f"worst {heading} of {first}, then of each other method"
        yield _Gallery("worst", name, title, cases(pictures, name, names, own))
        names = disagreement_names(own, _CASES)
        title = f"where two methods differ most in {heading}"
        yield _Gallery("disagreement", name, title, cases(pictures, name, names, own))


def _differences(statistics: Statistics) -> str:
    if not statistics.pairs:
        return ""
    note = (
        '<p class="note">Paired differences over images; p-values are not adjusted for their '
        "number. The same table is in significance.csv.</p>"
    )
    if len(statistics.pairs) > _MOST_PAIRS:
        return f'<p class="note">{len(statistics.pairs)} pairs: see significance.csv.</p>'
    return pairs_part(statistics.pairs) + note


def _curves(results: Sequence[Result], report: Report) -> str:
    curves: dict[str, dict[str, Any]] = {}
    for result in results:
        curves.setdefault(result.dataset, {}).update(result.curves)
    protocol = get_protocol(str(results[0].rows[0]["protocol"]))
    return figure_part(curve_figure(curves, "", report.styles), protocol.describe())


def _attribute_part(dataset: str, scores: Sequence[ClassScore], report: Report) -> str:
    methods = list(dict.fromkeys(method for score in scores for method in score.means))
    rows = []
    for score in scores:
        cells = f'<td class="text">{escape(score.title)}</td><td class="text">'
        cells += f"{escape(score.label)}</td><td>{score.images}</td>"
        for method in methods:
            mean = score.means.get(method)
            text = "–" if mean is None else format_value(mean, report.measure)
            cells += f"<td>{text}</td>"
        rows.append(f"<tr>{cells}</tr>")
    heads = ("Attribute", "Class", "Images", *methods)
    return f"<h3>{escape(dataset)}, {HEADINGS[report.measure]}</h3>" + sortable(heads, rows)
