"""Images that are large, and images that are too large."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.places import CONFIGS
from PIL import Image

from sod.cli import main
from sod.core.memory import NO_MEMORY, attempt
from sod.data import working_size
from sod.data.samples import Sample
from sod.data.working_size import WorkingSize
from sod.methods.tokencut import TokenCut
from sod.prediction.full_size import full_map, full_pixels, own_size

WORDS = ["predict", "--config", str(CONFIGS / "demo.yaml"), "--data.num_workers=0"]


def write(path: Path, height: int, width: int) -> np.ndarray:
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return pixels


def test_a_large_image_is_predicted_small_and_written_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pixels = write(tmp_path / "a.png", 120, 90)
    monkeypatch.setattr(working_size, "WORKING_PIXELS", 60 * 45)
    small, _ = WorkingSize()(pixels, None, (0, 0, 0))
    assert small.shape == (60, 45, 3)
    sample = Sample("a", tmp_path / "a.png")
    image = torch.from_numpy(small).permute(2, 0, 1) / 255
    assert np.array_equal(full_pixels(sample, image), pixels)
    assert full_pixels(sample, image).shape == (120, 90, 3)
    assert full_map(torch.ones(60, 45), (120, 90)).shape == (120, 90)
    assert own_size(sample, image, torch.ones(60, 45)).shape == (120, 90)
    sizes: list[tuple[int, ...]] = []
    saliency = TokenCut.saliency

    def seen(self: TokenCut, images: torch.Tensor) -> torch.Tensor:
        sizes.append(tuple(images.shape[-2:]))
        return saliency(self, images)

    monkeypatch.setattr(TokenCut, "saliency", seen)
    assert main([*WORDS, "--source", str(tmp_path / "a.png"), "--out", str(tmp_path / "out")]) == 0
    assert sizes == [(60, 45)]
    cutout = np.asarray(Image.open(tmp_path / "out" / "cutout" / "a.png"))
    assert np.array_equal(cutout[..., :3], pixels)


def test_labels_discovery_and_evaluation_bound_it_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "own" / "images").mkdir(parents=True)
    (tmp_path / "own" / "masks").mkdir()
    write(tmp_path / "own" / "images" / "a.png", 120, 90)
    mask = np.zeros((120, 90), np.uint8)
    mask[30:90, 20:70] = 255
    Image.fromarray(mask).save(tmp_path / "own" / "masks" / "a.png")
    monkeypatch.setattr(working_size, "WORKING_PIXELS", 60 * 45)
    sizes: list[tuple[int, ...]] = []

    def seen(self: TokenCut, images: torch.Tensor) -> torch.Tensor:
        sizes.append(tuple(images.shape[-2:]))
        shown = torch.zeros(1, 1, 60, 45)
        shown[..., 15:45, 10:35] = 1
        return shown

    monkeypatch.setattr(TokenCut, "saliency", seen)
    store, out = tmp_path / "store", tmp_path / "out"
    source = str(tmp_path / "own" / "images")
    assert main([*WORDS, "--source", source, "--pseudo", str(store)]) == 0
    assert Image.open(store / "a.png").size == (90, 120)
    data = [*WORDS[1:], "--data.test", str(tmp_path / "own"), "--out", str(out)]
    assert main(["discover", *data]) == 0
    assert json.loads((out / "corloc.json").read_text())["corloc"] == 1.0
    assert "20.0,30.0,70.0,90.0" in (out / "boxes.csv").read_text()
    quick = ["--resamples=0", "--pictures=false"]
    assert main(["evaluate", *data, *quick, "--save_maps=true", "--label=a"]) == 0
    assert json.loads((out / "metrics.json").read_text())[0]["iou"] > 0.95
    assert main(["evaluate", *data[2:], *quick, "--maps", str(out / "maps" / "a")]) == 0
    assert sizes == [(60, 45)] * 3


def test_other_images_keep_their_size(tmp_path: Path) -> None:
    pixels = write(tmp_path / "a.png", 40, 30)
    assert WorkingSize()(pixels, None, (0, 0, 0))[0] is pixels
    image = torch.from_numpy(pixels).permute(2, 0, 1) / 255
    assert full_pixels(Sample("a", tmp_path / "gone.png"), image).shape == (40, 30, 3)
    assert np.array_equal(full_pixels(Sample("a", tmp_path / "gone.png"), image), pixels)


@pytest.mark.parametrize("where", ["saliency", "store"])
def test_an_image_that_does_not_fit_is_named_and_the_rest_goes_on(
    where: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "in").mkdir()
    for name, width in (("a", 30), ("b", 31), ("c", 30)):
        write(tmp_path / "in" / f"{name}.png", 20, width)
    saliency = TokenCut.saliency

    def limited(self: TokenCut, images: torch.Tensor) -> torch.Tensor:
        if images.shape[-1] == 31:
            raise RuntimeError("[enforce fail] DefaultCPUAllocator: not enough memory: tried ...")
        return saliency(self, images)

    monkeypatch.setattr(TokenCut, "saliency", limited)
    target = ["--pseudo", str(tmp_path / "out")] if where == "store" else ["--output", "map"]
    words = [*WORDS, "--source", str(tmp_path / "in"), "--out", str(tmp_path / "out"), *target]
    assert main(words) == 1
    written = {path.stem for path in (tmp_path / "out").rglob("*.png")}
    assert written == {"a", "c"}
    shown = " ".join(capsys.readouterr().out.split())
    assert "b.png: not enough memory for 31x20 pixels" in shown


def test_only_a_lack_of_memory_is_survived() -> None:
    def fails(error: Exception) -> None:
        raise error

    for error in (MemoryError(), torch.OutOfMemoryError("x"), RuntimeError("CUDA out of memory.")):
        assert attempt(lambda error=error: fails(error)) is NO_MEMORY  # type: ignore[misc]
    assert attempt(lambda: 3) == 3
    for error in (RuntimeError("shapes differ"), ValueError("out of memory")):
        with pytest.raises(type(error)):
            attempt(lambda error=error: fails(error))  # type: ignore[misc]


def test_results_inside_the_source_are_not_predicted_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path / "a.png", 20, 30)
    words = [*WORDS, "--source", str(tmp_path), "--output", "map,cutout"]
    for _ in range(2):
        assert main([*words, "--out", str(tmp_path)]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert shown.count("1 of 1 images") == 2
    assert "2 images are results" in shown
    assert len(list(tmp_path.rglob("*.png"))) == 3


def test_names_are_no_markup(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "a["
    folder.mkdir()
    write(folder / "[b]a\n.png", 20, 30)
    (folder / "red]\nx[b].png").write_bytes(b"no image")
    (folder / os.fsdecode(b"\xff.png")).write_bytes(b"no image")
    words = [*WORDS, "--source", str(folder), "--output", "map"]
    assert main([*words, "--out", str(tmp_path / "b[" / "out]")]) == 1
    shown = capsys.readouterr().out
    assert "a[/red]\\nx[b].png: not an image" in shown
    assert "a[/\\udcff.png: not an image" in shown
    assert len(list((tmp_path / "b[" / "out]").rglob("*.png"))) == 1


def test_photos_of_a_group_share_the_memory_for_pixels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(working_size, "GROUP_PIXELS", 8 * 1200)
    monkeypatch.setattr(working_size, "LEAST_PIXELS", 100)
    samples = [Sample(f"{group}/{n}", Path("x")) for group in "ab" for n in range(4)]
    assert working_size.group_pixels(samples) == 2400
    assert working_size.group_pixels([Sample(str(n), Path("x")) for n in range(300)]) == 100
    pixels = write(tmp_path / "a.png", 120, 80)
    small, _ = WorkingSize(2400)(pixels, None, (0, 0, 0))
    assert small.shape == (60, 40, 3)
    image = torch.from_numpy(small).permute(2, 0, 1) / 255
    assert np.array_equal(full_pixels(Sample("a", tmp_path / "a.png"), image), pixels)
