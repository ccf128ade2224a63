"""Large photos: results made some rows at a time equal those of the whole."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from helpers.places import CONFIGS
from PIL import Image

from sod.cli import main
from sod.core.errors import SodError
from sod.data import working_size
from sod.data.samples import Sample
from sod.data.working_size import WorkingSize, limited_size
from sod.nn.resize import resize
from sod.prediction import large
from sod.prediction.boxes import find_objects
from sod.prediction.cutouts import CutoutOptions
from sod.prediction.full_size import result_size
from sod.prediction.large import LargeMap, LargePhoto, strips
from sod.prediction.large_files import LargeResults
from sod.prediction.look import Look, render
from sod.prediction.opacity import OpacityOptions
from sod.prediction.outputs import Output

SIZE, SMALL = (231, 170), (77, 57)
WORDS = ["predict", "--config", str(CONFIGS / "centre_box.yaml"), "--data.num_workers=0"]
LOOKS = {
    "map": Look(),
    "mask": Look(OpacityOptions(threshold=0.4)),
    "overlay": Look(OpacityOptions(sharpen=0.5)),
    "cutout": Look(),
}


@pytest.fixture(autouse=True)
def few_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(large, "AT_ONCE", 30 * SIZE[1])


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    pixels = np.random.default_rng(3).integers(0, 256, (*SIZE, 3), dtype=np.uint8)
    Image.fromarray(cv2.GaussianBlur(pixels, (0, 0), 3)).save(tmp_path / "a.png")
    return tmp_path / "a.png"


def soft_map() -> torch.Tensor:
    rows, columns = torch.meshgrid(torch.arange(77), torch.arange(57), indexing="ij")
    return torch.exp(-((rows - 30.0) ** 2 / 300 + (columns - 20.0) ** 2 / 150))


def written(photo: Path, tmp_path: Path, kind: Output, look: Look) -> np.ndarray:
    results = LargeResults(lambda: LargePhoto(photo, SIZE), soft_map(), SIZE, look)
    results.write(tmp_path / "out" / "b.png", kind)
    return np.asarray(Image.open(tmp_path / "out" / "b.png"))


def whole(photo: Path, kind: Output, look: Look) -> np.ndarray:
    saliency = resize(soft_map()[None, None], SIZE)[0, 0].clamp(0, 1).numpy()
    return np.asarray(render(np.asarray(Image.open(photo)), saliency, kind, look))


def test_a_map_by_strips_is_the_map_resized_at_once() -> None:
    for small, size in ((SMALL, SIZE), ((1, 5), (40, 60)), ((60, 50), (20, 30)), (SIZE, SIZE)):
        saliency = torch.rand(small, generator=torch.Generator().manual_seed(0))
        rows = LargeMap(saliency, size)
        parts = np.concatenate([rows.rows(*strip) for strip in strips(size)])
        assert np.array_equal(parts, rows.rows(0, size[0]))
        expected = resize(saliency[None, None], size)[0, 0]
        np.testing.assert_allclose(parts, expected.numpy(), rtol=0, atol=2e-6)


@pytest.mark.parametrize(("kind", "look"), LOOKS.items())
def test_pictures_by_strips_are_those_of_the_whole(
    photo: Path, tmp_path: Path, kind: Output, look: Look
) -> None:
    found, expected = written(photo, tmp_path, kind, look), whole(photo, kind, look)
    assert found.shape == expected.shape
    assert np.abs(found.astype(int) - expected).max() <= (1 if kind != "mask" else 0)
    assert (found != expected).mean() < 1e-3


@pytest.mark.parametrize(
    "cut",
    [
        CutoutOptions(crop=True, margin=0.1),
        CutoutOptions(despill=True),
        CutoutOptions(background="#2040a0", crop=True),
        None,
    ],
)
def test_cut_outs_by_strips_are_those_of_the_whole(
    photo: Path, tmp_path: Path, cut: CutoutOptions | None
) -> None:
    look = Look(OpacityOptions(sharpen=0.3), cut or CutoutOptions(background=str(photo), crop=True))
    found, expected = written(photo, tmp_path, "cutout", look), whole(photo, "cutout", look)
    assert found.shape == expected.shape
    assert np.abs(found.astype(int) - expected).max() <= 1
    assert (found != expected).mean() < 1e-3


def test_the_largest_object_and_its_box() -> None:
    saliency = torch.zeros(SMALL)
    saliency[10:40, 5:25] = 1
    saliency[60:70, 40:50] = 1
    look = Look(OpacityOptions(keep="largest"))
    results = LargeResults(lambda: pytest.fail("no pixels are needed"), saliency, SIZE, look)
    (found,) = results.objects()
    assert found["box"] == [15, 30, 75, 120]
    assert found["area"] == round(600 * 231 / 77 * 170 / 57)
    both = LargeResults(lambda: pytest.fail("nor here"), saliency, SIZE).objects()
    full = resize(saliency[None, None], SIZE)[0, 0].numpy()
    for row, exact in zip(both, find_objects(full, full > 0.5), strict=True):
        assert np.abs(np.subtract(row["box"], exact["box"])).max() <= 3


def test_limited_sizes() -> None:
    assert limited_size(8400, 12000, 2000) == (1400, 2000)
    assert limited_size(300, 400, 400) == (300, 400)
    assert limited_size(300, 400, None) == (300, 400)
    assert limited_size(1, 4000, 100) == (1, 100)
    assert WorkingSize(max_side=100).size(300, 400) == (75, 100)


@pytest.mark.parametrize("turned", [False, True])
def test_results_have_the_longer_side_that_is_asked_for(tmp_path: Path, turned: bool) -> None:
    exif = Image.Exif()
    if turned:
        exif[0x0112] = 6
    Image.new("RGB", (403, 301), "red").save(tmp_path / "a.jpg", exif=exif)
    words = [*WORDS, "--source", str(tmp_path / "a.jpg"), "--output", "map,cutout"]
    assert main([*words, "--out", str(tmp_path / "out"), "--max-side=100"]) == 0
    size = (75, 100) if turned else (100, 75)
    for kind in ("map", "cutout"):
        assert Image.open(tmp_path / "out" / kind / "a.png").size == size


def test_a_limit_above_the_working_size_limits_the_results(
    tmp_path: Path, photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(working_size, "WORKING_PIXELS", 40 * 30)
    image = torch.zeros(3, *WorkingSize(max_side=150).size(*SIZE))
    assert image[0].numel() <= 1200
    assert result_size(Sample("a", photo), image, 150) == (150, 110)
    assert result_size(Sample("a", photo), image) == SIZE
    words = [
        *WORDS,
        "--source",
        str(photo),
        "--output",
        "map,overlay",
        "--out",
        str(tmp_path / "o"),
    ]
    assert main([*words, "--max-side=150"]) == 0
    assert Image.open(tmp_path / "o" / "overlay" / "a.png").size == (110, 150)


def test_a_large_photo_on_the_command_line(
    photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(working_size, "WORKING_PIXELS", 77 * 57)
    kinds = "map,mask,overlay,cutout,boxes,coco,answers"
    words = [*WORDS, "--source", str(photo), "--output", kinds, "--out"]
    assert main([*words, str(tmp_path / "strips")]) == 0
    monkeypatch.setattr("sod.prediction.writers.is_large", lambda _: False)
    monkeypatch.setattr("sod.prediction.answer_writer.is_large", lambda _: False)
    assert main([*words, str(tmp_path / "whole")]) == 0
    for file in sorted((tmp_path / "whole").rglob("*.png")):
        if file.name == "overlay.png":
            continue
        one, other = (
            np.asarray(Image.open(path)).astype(int)
            for path in (file, tmp_path / "strips" / file.relative_to(tmp_path / "whole"))
        )
        assert np.abs(one - other).max() <= 1, file


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--max-side=0"], "--max-side 0: is not at least 1"),
        (["--max-side=9", "--pseudo", "store"], "labels have the size of their images"),
    ],
)
def test_limits_that_make_no_sense(
    photo: Path, words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*WORDS, "--source", str(photo), *words]) == 2
    assert message in " ".join(capsys.readouterr().err.split())


def test_an_error_of_a_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SodError, match=r"gone\.png: no such file"):
        LargePhoto(tmp_path / "gone.png", SIZE)
