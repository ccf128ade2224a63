"""The mean measure of every method on the images of each class of an attribute."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from sod.core.files import atomic_text
from sod.evaluation.attributes.given import given_classes, read_attributes
from sod.evaluation.attributes.measured import ATTRIBUTES, Attribute, image_attributes
from sod.evaluation.lines import HEADINGS, format_value
from sod.evaluation.pictures import Pictures

Row = Mapping[str, Any]
Scores = Mapping[str, Mapping[str, float]]
"""A measure of each image, by label and by image name."""
_COLUMNS = 4  # panels of a row
_PANEL = (3.1, 2.5)  # inches


class ClassScore(NamedTuple):
    """Quality on the images of one class.

    Attributes:
        attribute: Name of the attribute.
        title: What it is.
        label: Name of the class.
        images: Number of its images.
        means: Mean measure by method.
    """

    attribute: str
    title: str
    label: str
    images: int
    means: dict[str, float]


def attribute_rows(pictures: Pictures, dataset: str) -> list[dict[str, Any]]:
    """Return one row per image of a data set: its name and its measured attributes."""
    return [
        {"dataset": dataset, "name": sample.name}
        | image_attributes(
            pictures.photo(dataset, sample.name), pictures.mask(dataset, sample.name)
        )
        for sample in pictures.samples(dataset)
        if sample.mask is not None
    ]


def class_scores(rows: Sequence[Row], scores: Scores, given: Path | None) -> list[ClassScore]:
    """Return the mean measure of each method on each class of each attribute.

    Args:
        rows: Rows of :func:`attribute_rows`.
        scores: The measure by method and image.
        given: CSV file with further attributes, or None.

    Raises:
        SodError: The CSV file is invalid.
    """
    attributes: dict[str, Attribute] = dict(ATTRIBUTES)
    classes = {
        str(row["name"]): {
            key: attribute.class_of(row[key]) for key, attribute in ATTRIBUTES.items() if key in row
        }
        for row in rows
    }
    if given is not None:
        more, found = given_classes(read_attributes(given), list(classes))
        attributes |= more
        for name, labels in found.items():
            classes[name] |= labels
    result = []
    for key, attribute in attributes.items():
        for label in attribute.classes:
            names = [name for name, labels in classes.items() if labels.get(key) == label]
            means = {method: _mean(values, names) for method, values in scores.items()}
            kept = {method: mean for method, mean in means.items() if mean is not None}
            if kept:
                result.append(ClassScore(key, attribute.title, label, len(names), kept))
    return result


def _mean(values: Mapping[str, float], names: Sequence[str]) -> float | None:
    known = [values[name] for name in names if name in values]
    return fmean(known) if known else None


def write_attributes(rows: Sequence[Row], path: Path) -> None:
    """Write the measured attributes of every image as CSV."""
    with atomic_text(path) as file:
        writer = csv.DictWriter(file, ["dataset", "name", *ATTRIBUTES], restval="")
        writer.writeheader()
        writer.writerows(
            {key: f"{v:.5g}" if isinstance(v, float) else v for key, v in row.items()}
            for row in rows
        )


def attribute_table(dataset: str, scores: Sequence[ClassScore], measure: str) -> str:
    """Return a Markdown table: a line per class, a column per method."""
    methods = list(dict.fromkeys(method for score in scores for method in score.means))
    heads = [f"{dataset}, {HEADINGS[measure]}", "class", "images", *methods]
    lines = [heads, ["---", "---", *("---:" for _ in heads[2:])]]
    for score in scores:
        cells = (
            format_value(score.means[method], measure) if method in score.means else "–"
            for method in methods
        )
        lines.append([score.title, score.label, str(score.images), *cells])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def attribute_figure(scores: Mapping[str, Sequence[ClassScore]], measure: str) -> Figure:
    """Return a figure: a panel per data set and attribute, a line per method.

    Args:
        scores: Scores by data set.
        measure: Name of the measure.
    """
    panels = [
        (dataset, key, [score for score in group if score.attribute == key])
        for dataset, group in scores.items()
        for key in dict.fromkeys(score.attribute for score in group)
    ]
    lines = -(-len(panels) // _COLUMNS)
    size = (_COLUMNS * _PANEL[0], max(lines, 1) * _PANEL[1])
    figure = Figure(figsize=size, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(max(lines, 1), _COLUMNS, squeeze=False).ravel()
    for place, (dataset, _, group) in zip(axes, panels, strict=False):
        place.set_title(f"{dataset}: {group[0].title}", fontsize=8)
        labels = [f"{score.label}\n{score.images}" for score in group]
        for method in dict.fromkeys(m for score in group for m in score.means):
            known = [(k, s.means[method]) for k, s in enumerate(group) if method in s.means]
            place.plot(*zip(*known, strict=True), marker="o", markersize=3, label=method)
        place.set_xticks(range(len(labels)), labels, fontsize=6)
        place.tick_params(axis="y", labelsize=6)
        place.grid(visible=True, linewidth=0.3)
    for place in axes[len(panels) :]:
        place.set_axis_off()
    if panels:
        handles, names = axes[0].get_legend_handles_labels()
        figure.legend(handles, names, loc="outside lower center", ncols=4, fontsize=7)
        figure.supylabel(HEADINGS[measure], fontsize=8)
    return figure
