"""An evaluation's results on disk: tables, rows per image, curves and pictures."""

from collections.abc import Sequence
from pathlib import Path

from sod.errors import SodError
from sod.evaluation import Result
from sod.metrics.curves import plot_curves
from sod.metrics.grid import draw_grid
from sod.metrics.report import write_per_image, write_reports


def write_results(results: Sequence[Result], out: Path) -> list[Path]:
    """Write metrics.json, .csv, .md and .tex, per_image.csv, curves.png and the grids.

    There is a grid per dataset: ``grid.png`` where there is one, else ``grid-DATASET.png``.

    Returns:
        The paths written.

    Raises:
        SodError: A file cannot be written.
    """
    try:
        paths = write_reports([row for result in results for row in result.rows], out)
        per_image = out / "per_image.csv"
        write_per_image((row for result in results for row in result.per_image), per_image)
        curves = plot_curves(
            {result.dataset: result.curves for result in results}, out / "curves.png"
        )
        grids = [
            draw_grid(result.gallery.chosen(), out / _grid_name(result, len(results)))
            for result in results
        ]
    except OSError as error:
        raise SodError(f"--out {out}: cannot be written: {error.strerror}.") from error
    return [*paths, per_image, curves, *grids]


def _grid_name(result: Result, datasets: int) -> str:
    return "grid.png" if datasets == 1 else f"grid-{result.dataset}.png"
