"""Files that report a tuning: the scores, a heat map of them, and a grid of cuts."""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from torch import Tensor

from sod.core.files import atomic_file
from sod.tuning.choices import Choices
from sod.tuning.configurations import Configuration
from sod.tuning.cuts import ImageCuts
from sod.tuning.rating import Rating
from sod.tuning.scores import Scores


def write_scores(chosen: Sequence[Configuration], scores: Scores, path: Path) -> None:
    """Write ``scores.csv``: a row per configuration, the best first.

    Raises:
        SodError: The file cannot be written.
    """
    with atomic_file(path) as temporary, temporary.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["facet", "block", "tau", *scores._fields])
        for index in scores.score.argsort(descending=True, stable=True).tolist():
            tap, tau = chosen[index]
            figures = [f"{float(values[index]):.6f}" for values in scores]
            table.writerow([tap.facet, tap.block, f"{tau:g}", *figures])


def draw_heat_map(chosen: Sequence[Configuration], scores: Scores, path: Path) -> None:
    """Draw the best score of each feature, blocks across and facets down, with its threshold.

    Raises:
        SodError: The file cannot be written.
    """
    facets = list(dict.fromkeys(configuration.tap.facet for configuration in chosen))
    blocks = 1 + max(configuration.tap.block for configuration in chosen)
    best = np.full((len(facets), blocks), np.nan)
    taus = np.zeros_like(best)
    for (tap, tau), score in zip(chosen, scores.score.tolist(), strict=True):
        place = facets.index(tap.facet), tap.block
        if not score <= best[place]:
            best[place], taus[place] = score, tau
    figure = Figure(figsize=(2 + 0.6 * blocks, 1.5 + 0.6 * len(facets)), layout="constrained")
    axes = figure.subplots()
    picture = axes.imshow(best, cmap="viridis", aspect="auto")
    figure.colorbar(picture, ax=axes, label="score")
    axes.set_xticks(range(blocks))
    axes.set_yticks(range(len(facets)), facets)
    axes.set(xlabel="block", title="best score of each feature, and its tau")
    for row, column in np.argwhere(~np.isnan(best)):
        text = f"{best[row, column]:.2f}\nτ {taus[row, column]:g}"
        axes.text(column, row, text, ha="center", va="center", fontsize=7, color="white")
    _save(figure, path)


def draw_cuts(
    images: Sequence[Tensor], cuts: Sequence[ImageCuts], columns: dict[str, int], path: Path
) -> None:
    """Draw some images and, painted into them, their cuts by some configurations.

    Args:
        images: RGB in [0, 1], ``[3, H, W]`` each.
        cuts: Their cuts.
        columns: Index of the configuration of each column, by its heading.
        path: The file to write.

    Raises:
        SodError: The file cannot be written.
    """
    size = (2.4 * (1 + len(columns)), 0.6 + 1.8 * len(images))
    figure = Figure(figsize=size, layout="constrained")
    grid = figure.subplots(len(images), 1 + len(columns), squeeze=False)
    for row, image, cut in zip(grid, images, cuts, strict=True):
        picture = image.permute(1, 2, 0).numpy()
        extent = (-0.5, picture.shape[1] - 0.5, picture.shape[0] - 0.5, -0.5)
        row[0].imshow(picture)
        for axes, index in zip(row[1:], columns.values(), strict=True):
            axes.imshow(picture, alpha=0.4)
            mask = np.where(cut.masks[index].numpy(), 1.0, np.nan)  # nan is transparent
            axes.imshow(mask, extent=extent, cmap="autumn", alpha=0.7, interpolation="nearest")
    for axes, title in zip(grid[0], ("image", *columns), strict=True):
        axes.set_title(title, fontsize=8)
    for axes in grid.flat:
        axes.set_axis_off()
    _save(figure, path)


def _save(figure: Figure, path: Path) -> None:
    options: dict[str, Any] = {"dpi": 100, "format": "png"}
    with atomic_file(path) as temporary:
        figure.savefig(temporary, **options)


def explain(rating: Rating) -> str:
    """Return three lines that say what was chosen and why."""
    chosen, scores, published = rating.chosen, rating.scores, published_index(rating.chosen)
    best = scores.best
    ranks = scores.score.argsort(descending=True, stable=True).tolist()
    return (
        f"Chosen without masks on {len(rating.samples)} images: {chosen[best]}.\n"
        f"Its score is {scores.score[best]:.3f}, the highest of {len(chosen)} configurations; its "
        f"cuts overlap with their refined vote by {scores.consensus[best]:.3f} (IoU).\n"
        f"The published choice, {chosen[published]}, has {scores.score[published]:.3f} and "
        f"overlaps by {scores.consensus[published]:.3f}: rank {1 + ranks.index(published)}."
    )


def explain_choices(choices: Choices) -> str:
    """Return a line on each choice beyond the cut; all figures are IoU with refined votes."""
    first, inferences, masks = choices.heads[0], choices.inference_scores, choices.mask_scores
    names = ", ".join(first.config.extra_features) or "none"
    plain = next(iter(inferences))
    bare = next(iter(masks))
    lines = [
        f"Extra features for heads: {names}. A light head reaches {first.score:.3f} on images that "
        f"it has not seen; without extra features {next(iter(first.scores.values())):.3f}.",
        f"Inference of heads: {choices.inference}, {inferences[choices.inference]:.3f}; "
        f"{plain}, {inferences[plain]:.3f}.",
        f"Initial masks: {choices.option}, {masks[choices.option]:.3f}; "
        + ", ".join(f"{name} {score:.3f}" for name, score in masks.items() if name != bare),
    ]
    lines += [
        f"Backbone: {first.config.name}, {first.score:.3f}; {other.config.name}: {other.score:.3f}."
        for other in choices.heads[1:]
    ]
    return "\n".join(lines)


def write_choices(choices: Choices, path: Path) -> None:
    """Write ``choices.csv``: a row per candidate of each choice beyond the cut.

    Raises:
        SodError: The file cannot be written.
    """
    name = choices.heads[0].config.name
    rows = [
        ("extra_features", each.config.name, description, score)
        for each in choices.heads
        for description, score in each.scores.items()
    ]
    rows += [("inference", name, str(key), each) for key, each in choices.inference_scores.items()]
    rows += [("masks", name, option, each) for option, each in choices.mask_scores.items()]
    with atomic_file(path) as temporary, temporary.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["choice", "backbone", "candidate", "score"])
        table.writerows((*row, f"{score:.6f}") for *row, score in rows)


def published_index(chosen: Sequence[Configuration]) -> int:
    """Return the index of TokenCut's published choice: keys of the last block, tau 0.2.

    Without keys it is the output of the last block, and without 0.2 the nearest threshold.
    """
    last = max(configuration.tap.block for configuration in chosen)

    def distance(index: int) -> tuple[int, bool, float]:
        tap, tau = chosen[index]
        return last - tap.block, tap.facet != "key", abs(tau - 0.2)

    return min(range(len(chosen)), key=distance)
