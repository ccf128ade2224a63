"""All files of an evaluation: tables, rows per image, curves and image grids."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from sod.core.errors import SodError
from sod.evaluation.curves import plot_curves
from sod.evaluation.evaluator import Result
from sod.evaluation.gallery import Gallery
from sod.evaluation.grid import draw_grid
from sod.evaluation.published import published_rows
from sod.evaluation.reports import write_per_image, write_reports
from sod.metrics.protocols import get_protocol

Curves = dict[str, dict[str, dict[str, Tensor]]]
FILES = (
    *(f"metrics.{kind}" for kind in ("json", "csv", "md", "tex")),
    *("per_image.csv", "per_group.csv", "curves.json", "curves.png", "grid.png"),
)
"""Files of an evaluation; several datasets have ``grid-DATASET.png`` instead of ``grid.png``."""


def write_results(results: Sequence[Result], out: Path, published: str | None = None) -> list[Path]:
    """Write metrics.json, .csv, .md and .tex, per_image.csv, curves.json and .png, and the grids.

    Sets of several groups also get ``per_group.csv``: their measures and the mean over groups.

    There is one grid per dataset: ``grid.png`` for a single dataset, else ``grid-DATASET.png``.

    Args:
        results: One result per method and dataset.
        out: Output folder.
        published: Protocol whose published rows are added to the tables, or None to add none.

    Returns:
        The paths written.

    Raises:
        SodError: A file cannot be written.
    """
    rows = [row for result in results for row in result.rows]
    datasets = list(dict.fromkeys(result.dataset for result in results))
    shown = published_rows(datasets, published) if published else []
    curves: Curves = {dataset: {} for dataset in datasets}
    for result in results:
        curves[result.dataset] |= result.curves
    galleries = {result.dataset: result.gallery for result in results}
    per_image = [
        {"method": result.rows[0]["method"], **row}
        for result in results
        for row in result.per_image
    ]
    per_group = [
        {"method": result.rows[0]["method"], **row}
        for result in results
        for row in result.per_group
    ]
    try:
        paths = write_reports(rows, out, published=shown)
        write_per_image(per_image, out / "per_image.csv")
        note = get_protocol(str(rows[0]["protocol"])).describe()
        paths += [out / "per_image.csv", *write_curves(curves, out, note)]
        if per_group:
            write_per_image(per_group, out / "per_group.csv")
            paths.append(out / "per_group.csv")
        return paths + write_grids(galleries, out)
    except OSError as error:
        raise SodError(f"--out {out}: cannot be written: {error.strerror}.") from error


def remove_results(out: Path) -> None:
    """Remove the files that :func:`write_results` writes, so that old ones do not look like new.

    Args:
        out: Their folder; other files in it are kept.

    Raises:
        SodError: A file cannot be removed.
    """
    try:
        for path in (*(out / name for name in FILES), *out.glob("grid-*.png")):
            path.unlink(missing_ok=True)
    except OSError as error:
        raise SodError(f"--out {out}: cannot be removed: {error.strerror}.") from error


def write_curves(curves: Curves, out: Path, note: str) -> list[Path]:
    """Write ``curves.json`` and ``curves.png`` from curves by dataset, then by label."""
    numbers: dict[str, Any] = {
        dataset: {
            name: {kind: values.tolist() for kind, values in lines.items()}
            for name, lines in methods.items()
        }
        for dataset, methods in curves.items()
    }
    (out / "curves.json").write_text(json.dumps(numbers) + "\n", encoding="utf-8")
    return [out / "curves.json", plot_curves(curves, out / "curves.png", note)]


def write_grids(galleries: dict[str, Gallery], out: Path) -> list[Path]:
    """Draw one grid per dataset."""
    return [
        draw_grid(
            gallery.chosen(), out / ("grid.png" if len(galleries) == 1 else f"grid-{name}.png")
        )
        for name, gallery in galleries.items()
    ]
