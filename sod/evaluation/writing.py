"""All files of an evaluation: tables, rows per image, curves and image grids."""

import csv
import json
from collections.abc import Sequence
from pathlib import Path

from torch import Tensor

from sod.core.errors import SodError, suggest
from sod.core.files import atomic_file, atomic_text, write_text
from sod.evaluation.curves import Styles, curve_figure
from sod.evaluation.evaluator import Result
from sod.evaluation.gallery import Gallery
from sod.evaluation.grid import draw_grid
from sod.evaluation.html.page import write_report
from sod.evaluation.image_results import ImageResults, image_file, save_results
from sod.evaluation.pictures import Pictures
from sod.evaluation.plan import Report
from sod.evaluation.published import published_rows
from sod.evaluation.reports import write_per_image, write_reports
from sod.evaluation.statistics import Statistics, base_of, compare
from sod.metrics.protocols import get_protocol

Curves = dict[str, dict[str, dict[str, Tensor]]]
CURVES_FILE = "curves.json"
FILES = (
    *(f"metrics.{kind}" for kind in ("json", "csv", "md", "tex", "xlsx")),
    *("per_image.csv", "per_group.csv", "significance.csv", "attributes.csv", "attributes.md"),
    *("curves.json", "curves.csv", "curves.png", "curves.pdf", "attributes.png", "report.html"),
    *("grid.png", "worst.png", "disagreement.png"),
)
"""Files of an evaluation; several datasets have ``grid-DATASET.png`` instead of ``grid.png``."""
_PATTERNS = ("grid-*.png", "worst-*.png", "disagreement-*.png", "images-*.npz")


def write_results(
    results: Sequence[Result],
    out: Path,
    report: Report | None = None,
    pictures: Pictures | None = None,
) -> tuple[list[Path], Statistics]:
    """Write tables, curves, pictures, attributes and the HTML report of an evaluation.

    There is one grid per dataset: ``grid.png`` for a single dataset, else ``grid-DATASET.png``.
    Sets of several groups also get ``per_group.csv``: their measures and the mean over groups.

    Args:
        results: One result per method and dataset.
        out: Output folder.
        report: What to write, or None for the defaults.
        pictures: Photos, masks and maps, or None where the maps are not kept.

    Returns:
        The paths written, and the statistics of the tables.

    Raises:
        SodError: A file cannot be written, or an option names what is not there.
    """
    report = report or Report()
    rows = [row for result in results for row in result.rows]
    datasets = list(dict.fromkeys(result.dataset for result in results))
    shown = published_rows(datasets, report.published) if report.published else []
    images: dict[str, dict[str, ImageResults]] = {name: {} for name in datasets}
    for result in results:
        images[result.dataset] |= result.images
    _check_against(report.against, [label for part in images.values() for label in part])
    statistics = compare(images, report.resamples, report.against)
    galleries = {result.dataset: result.gallery for result in results}
    try:
        paths = write_reports(
            rows, out, published=shown, statistics=statistics, against=report.against
        )
        note = get_protocol(str(rows[0]["protocol"])).describe()
        paths += write_numbers(results, out)
        paths += draw_curves(curves_of(results), out, note, report.styles)
        paths += write_grids(galleries, out)
        if report.pictures and pictures is not None:
            paths += write_report(results, rows, shown, statistics, pictures, report, out)
        return paths, statistics
    except OSError as error:
        raise SodError(f"--out {out}: cannot be written: {error.strerror}.") from error


def _check_against(against: str | None, labels: Sequence[str]) -> None:
    known = [base_of(label) for label in labels]
    if against is not None and against not in known:
        names = ", ".join(dict.fromkeys(known))
        raise SodError(f"--against {against}: not measured here.{suggest(against, known)} {names}.")


def write_numbers(results: Sequence[Result], out: Path) -> list[Path]:
    """Write what other programs read: rows, rows per image and group, curves, every image."""
    per_image, per_group = (
        [
            {"method": result.rows[0]["method"], **row}
            for result in results
            for row in getattr(result, kind)
        ]
        for kind in ("per_image", "per_group")
    )
    out.mkdir(parents=True, exist_ok=True)
    if not (out / "metrics.json").exists():
        rows = [row for result in results for row in result.rows]
        text = json.dumps(rows, indent=2, allow_nan=False)
        write_text(out / "metrics.json", text + "\n")
    paths = [out / "per_image.csv", out / CURVES_FILE, out / "curves.csv"]
    write_per_image(per_image, paths[0])
    if per_group:
        paths.append(out / "per_group.csv")
        write_per_image(per_group, paths[-1])
    write_curves(curves_of(results), out)
    for result in results:
        for label, images in result.images.items():
            save_results(images, out / image_file(label, result.dataset))
    return paths


def curves_of(results: Sequence[Result]) -> Curves:
    """Return the curves of all results, by dataset, then by label."""
    curves: Curves = {}
    for result in results:
        curves.setdefault(result.dataset, {}).update(result.curves)
    return curves


def remove_results(out: Path) -> None:
    """Remove the files that :func:`write_results` writes, so that old ones do not look like new.

    Args:
        out: Their folder; other files in it are kept.

    Raises:
        SodError: A file cannot be removed.
    """
    try:
        made = (path for pattern in _PATTERNS for path in out.glob(pattern))
        for path in (*(out / name for name in FILES), *made):
            path.unlink(missing_ok=True)
    except OSError as error:
        raise SodError(f"--out {out}: cannot be removed: {error.strerror}.") from error


def write_curves(curves: Curves, out: Path) -> None:
    """Write ``curves.json`` and ``curves.csv`` from curves by dataset, then by label."""
    numbers = {
        dataset: {
            label: {kind: values.tolist() for kind, values in lines.items()}
            for label, lines in methods.items()
        }
        for dataset, methods in curves.items()
    }
    write_text(out / CURVES_FILE, json.dumps(numbers) + "\n")
    with atomic_text(out / "curves.csv") as file:
        writer = csv.writer(file)
        kinds = list(next(iter(next(iter(numbers.values())).values())))
        writer.writerow(["dataset", "method", "threshold", *kinds])
        for dataset, methods in numbers.items():
            for label, lines in methods.items():
                for place, values in enumerate(zip(*lines.values(), strict=True)):
                    writer.writerow([dataset, label, f"{place / 255:.5f}", *values])


def draw_curves(curves: Curves, out: Path, note: str, styles: Styles) -> list[Path]:
    """Draw ``curves.png`` and ``curves.pdf``."""
    figure = curve_figure(curves, note, styles)
    paths = [out / "curves.png", out / "curves.pdf"]
    for path in paths:
        with atomic_file(path) as temporary:
            figure.savefig(temporary, dpi=200, format=path.suffix[1:])
    return paths


def write_grids(galleries: dict[str, Gallery], out: Path) -> list[Path]:
    """Draw one grid per dataset."""
    return [
        draw_grid(
            gallery.chosen(), out / ("grid.png" if len(galleries) == 1 else f"grid-{name}.png")
        )
        for name, gallery in galleries.items()
    ]
