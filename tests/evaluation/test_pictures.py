from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from sod.evaluation.curves import curve_figure
from sod.evaluation.gallery import Gallery
from sod.evaluation.grid import draw_grid

HEIGHT = 24


def offer(gallery: Gallery, name: str, iou: float, method: str = "a", width: int = 30) -> None:
    image, mask = torch.full((3, 20, width), 0.5), torch.zeros(20, width, dtype=torch.uint8)
    mask[5:, 10:] = 255
    gallery.offer(method, name, image, mask, torch.full((20, width), iou), iou)


def names(gallery: Gallery) -> dict[str, list[str]]:
    return {kind: [case.name for case in cases] for kind, cases in gallery.chosen().items()}


def test_best_median_and_worst_are_chosen() -> None:
    gallery = Gallery(cases=2, pool=200, height=HEIGHT)
    for value in np.random.default_rng(0).permutation(101):
        offer(gallery, f"{value:03}", value / 100)
    assert names(gallery) == {
        "best": ["100", "099"],
        "median": ["050", "049"],
        "worst": ["000", "001"],
    }


def test_memory_is_bounded_and_the_median_is_close() -> None:
    gallery = Gallery(cases=1, pool=16, height=HEIGHT)
    order = np.random.default_rng(1).permutation(1000)
    for value in order:
        offer(gallery, str(value), value / 1000)
    assert len(gallery._kept()) <= 16 + 2
    chosen = names(gallery)
    assert (chosen["best"], chosen["worst"]) == (["999"], ["0"])
    assert abs(int(chosen["median"][0]) - 500) < 100


def test_no_case_is_shown_twice_and_few_images_are_enough() -> None:
    gallery = Gallery(cases=2, height=HEIGHT)
    assert names(gallery) == {"best": [], "median": [], "worst": []}
    for k in range(3):
        offer(gallery, str(k), k / 2)
    assert names(gallery) == {"best": ["2", "1"], "median": [], "worst": ["0"]}


def test_later_methods_add_their_maps_to_the_images_of_the_first() -> None:
    gallery = Gallery(cases=1, pool=4, height=HEIGHT)
    for method, factor in (("a", 1.0), ("b", 0.5)):
        for k in range(9):
            offer(gallery, str(k), factor * k / 10, method)
    best = gallery.chosen()["best"][0]
    assert (best.name, best.scores) == ("8", {"a": 0.8, "b": 0.4})
    assert set(best.maps) == {"a", "b"}
    assert best.maps["b"].float().mean().item() == pytest.approx(0.4 * 255, abs=1)


def test_galleries_of_several_processes_are_merged() -> None:
    parts = [Gallery(cases=1, height=HEIGHT) for _ in range(3)]
    for k in range(20):
        offer(parts[k % 2], f"{k:02}", k / 20)
    whole = Gallery.merged(parts)
    assert names(whole) == {"best": ["19"], "median": ["09"], "worst": ["00"]}


def test_the_grid_has_a_line_per_case_and_a_column_per_method(tmp_path: Path) -> None:
    gallery = Gallery(cases=1, height=60)
    for method in ("a", "a rather long name of a method"):
        for k, width in enumerate((20, 30, 90)):
            offer(gallery, f"image {k}", k / 2, method, width)
    path = draw_grid(gallery.chosen(), tmp_path / "new" / "grid.png")
    with Image.open(path) as picture:
        size = picture.size
        levels = np.asarray(picture.convert("L"))
    assert size[1] > 3 * 60
    assert size[0] > 4 * 60
    grey = np.abs(levels.astype(int) - 128) <= 1  # the images are grey of one level
    assert grey.sum() > 60 * 60
    assert draw_grid({"best": []}, tmp_path / "empty.png").is_file()


def test_a_method_without_a_map_leaves_its_panel_empty(tmp_path: Path) -> None:
    gallery = Gallery(cases=1, height=60)
    offer(gallery, "x", 0.25)
    path = draw_grid(gallery.chosen(), tmp_path / "grid.png", ["a", "b"])
    with Image.open(path) as picture:
        levels = np.asarray(picture.convert("L")).astype(int)
    # Image, mask, and the maps of a and b: 90 x 60 pixels each, 10 apart, from (98, 42) on.
    panels = [levels[42:102, left : left + 90] for left in range(98, 498, 100)]
    assert np.abs(panels[0] - 128).max() <= 1
    assert (panels[1][30:, 40:] == 255).all()
    assert (panels[1][:8] == 0).all()
    assert np.abs(panels[2] - 64).max() <= 1
    assert (panels[3] == 255).all()
    assert (levels[104:124, 298:388] < 128).any()  # the IoU below a map
    assert (levels[:40, 298:388] < 128).any()  # the name above it


def test_curves_are_drawn_for_every_dataset_in_the_styles_of_the_user() -> None:
    line = torch.linspace(1, 0, 256, dtype=torch.float64)
    curves: dict[str, Tensor] = {"precision": 1 - line, "recall": line, "f": line, "e": line}
    heights = []
    for datasets in (("A",), ("A", "B")):
        lines = {name: {"m": curves, "n": curves, "m+bilateral": curves} for name in datasets}
        figure = curve_figure(lines, "x", {"n": {"color": "red"}})
        heights.append(figure.get_figheight())
        panel = figure.axes[1]
        found = [(line.get_label(), line.get_color(), line.get_linestyle()) for line in panel.lines]
        assert found == [("n", "red", "-"), ("m", "C0", "-"), ("m+bilateral", "C0", "--")]
    assert heights[1] > 1.5 * heights[0]
