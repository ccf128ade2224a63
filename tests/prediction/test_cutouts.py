"""Opacity, edges, crop and background of cut-outs."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sod.core.errors import SodError
from sod.prediction.cutouts import CutoutOptions, cut_out, foreground_colours, object_box
from sod.prediction.opacity import OpacityOptions, object_mask, opacity


def map_of(*values: float) -> np.ndarray:
    return np.array([values], np.float32)


def test_sharpening_is_contrast_around_the_threshold() -> None:
    values = map_of(0.1, 0.4, 0.5, 0.55, 0.9)
    assert opacity(values, OpacityOptions()).tolist() == values.tolist()
    half = opacity(values, OpacityOptions(sharpen=0.5))
    np.testing.assert_allclose(half, [[0, 0.3, 0.5, 0.6, 1]], atol=1e-6)
    np.testing.assert_array_equal(opacity(values, OpacityOptions(sharpen=1)), [[0, 0, 0, 1, 1]])
    moved = opacity(values, OpacityOptions(threshold=0.4, sharpen=0.5))
    np.testing.assert_allclose(moved, [[0, 0.5, 0.7, 0.8, 1]], atol=1e-6)


def test_the_largest_object_keeps_its_soft_edge_and_the_others_go() -> None:
    values = map_of(0.9, 0.3, 0.1, 0.2, 0.8, 0.9, 0.4)
    options = OpacityOptions(keep="largest")
    np.testing.assert_array_equal(object_mask(values, options), [[0, 0, 0, 0, 1, 1, 0]])
    expected = map_of(0, 0, 0.1, 0.2, 0.8, 0.9, 0.4)
    np.testing.assert_array_equal(opacity(values, options), expected)
    np.testing.assert_array_equal(opacity(map_of(0.1, 0.2), options), map_of(0.1, 0.2))
    assert object_mask(values, OpacityOptions()).sum() == 3


def test_a_crop_holds_the_object_and_its_margin() -> None:
    mask = np.zeros((20, 30), bool)
    assert object_box(mask, 0.1) is None
    mask[5:15, 2:12] = True
    assert object_box(mask, 0) == (2, 5, 12, 15)
    assert object_box(mask, 0.3) == (0, 2, 15, 18)
    image = np.arange(20 * 30 * 3).reshape(20, 30, 3).astype(np.uint8)
    cut = CutoutOptions(crop=True, margin=0.3)
    cropped = cut_out(image, mask.astype(np.float32), OpacityOptions(), cut)
    assert cropped.size == (15, 16)
    assert cropped.mode == "RGBA"


def test_the_object_lies_on_a_background(tmp_path: Path) -> None:
    image = np.full((2, 3, 3), 200, np.uint8)
    alpha = np.array([[0, 0.5, 1], [0, 0.5, 1]], np.float32)
    on_blue = cut_out(image, alpha, OpacityOptions(), CutoutOptions(background="#0000ff"))
    assert on_blue.mode == "RGB"
    np.testing.assert_array_equal(np.asarray(on_blue)[0], [[0, 0, 255], [100, 100, 228], [200] * 3])
    Image.new("RGB", (30, 10), "red").save(tmp_path / "red.png")
    red = CutoutOptions(background=str(tmp_path / "red.png"))
    assert np.asarray(cut_out(image, alpha, OpacityOptions(), red))[1, 0].tolist() == [255, 0, 0]


def test_despill_finds_the_colour_of_a_mixed_pixel() -> None:
    alpha = np.zeros((40, 60), np.float32)
    alpha[:, 30:] = 1
    alpha[:, 27:30] = 0.5
    object_, behind = np.array([200.0, 40, 40]), np.array([20.0, 180, 20])
    image = (alpha[..., None] * object_ + (1 - alpha[..., None]) * behind).astype(np.uint8)
    colours = foreground_colours(image, alpha)
    before = np.abs(image[:, 27:30] - object_).mean()
    after = np.abs(colours[:, 27:30] - object_).mean()
    assert before > 50
    assert after < 15
    np.testing.assert_array_equal(colours[:, 30:], image[:, 30:])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"threshold": 0.0}, "--threshold 0.0: is not between"),
        ({"sharpen": 1.5}, "--sharpen 1.5: is not in"),
        ({"keep": "largst"}, "Did you mean 'largest'"),
    ],
)
def test_invalid_opacity(options: dict[str, float], message: str) -> None:
    with pytest.raises(SodError, match=message):
        OpacityOptions(**options)


def test_invalid_cutouts() -> None:
    with pytest.raises(SodError, match="--margin -1: is below 0"):
        CutoutOptions(margin=-1)
    with pytest.raises(SodError, match="--background whte: is neither"):
        CutoutOptions(background="whte")
