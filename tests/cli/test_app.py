import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.places import CONFIGS
from PIL import Image

from sod.cli import main
from sod.data.synthetic import write_scenes

DEMO = ["--config", str(CONFIGS / "demo.yaml"), "--data.num_workers", "0"]
Errors = Callable[[], str]


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scenes") / "own"
    write_scenes(folder, count=3, size=(64, 96), seed=5)
    return folder


def test_evaluate_writes_the_tables_and_the_mean_of_the_rows(scenes: Path, tmp_path: Path) -> None:
    arguments = [*DEMO, "--data.test", str(scenes), "--refine", "none,bilateral", "--save-maps"]
    assert main(["evaluate", *arguments, "--out", str(tmp_path)]) == 0
    rows = json.loads((tmp_path / "metrics.json").read_text())
    assert [(row["method"], row["refine"], row["images"]) for row in rows] == [
        ("TokenCut", "none", 3),
        ("TokenCut", "bilateral", 3),
    ]
    with (tmp_path / "per_image.csv").open() as file:
        images = list(csv.DictReader(file))
    for row in rows:
        own = [float(image["iou"]) for image in images if image["refine"] == row["refine"]]
        assert row["iou"] == pytest.approx(np.mean(own))
        assert 0 < row["iou"] <= 1
        assert row["protocol"] == "mean-max"
    for name in ["metrics.csv", "metrics.md", "metrics.tex", "curves.png", "grid.png"]:
        assert (tmp_path / name).stat().st_size > 100
    saved = np.asarray(Image.open(tmp_path / "maps" / "TokenCut" / "own" / "0000.png"))
    mask = np.asarray(Image.open(scenes / "masks" / "0000.png")) > 0
    iou = (mask & (saved > 127)).sum() / (mask | (saved > 127)).sum()
    first = next(image for image in images if (image["name"], image["refine"]) == ("0000", "none"))
    assert iou == pytest.approx(float(first["iou"]))


def test_test_prints_a_table_and_writes_nothing(
    scenes: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["test", *DEMO, "--data.test", str(scenes), "--protocol", "pysod"]) == 0
    text = capsys.readouterr().out
    assert "TokenCut" in text
    assert "pysod" in text
    assert list(tmp_path.iterdir()) == []


def test_predict_keeps_folders_and_continues_after_bad_files(
    scenes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, out = tmp_path / "photos", tmp_path / "out"
    (source / "deep er" / "ä").mkdir(parents=True)
    shutil.copy(scenes / "images" / "0000.png", source / "same.png")
    Image.open(scenes / "images" / "0001.png").save(source / "same.jpg")
    shutil.copy(scenes / "images" / "0002.png", source / "deep er" / "ä" / "same.png")
    (source / "empty.jpg").write_bytes(b"")
    (source / "text.jpg").write_text("no image")
    assert main(["predict", *DEMO, "--source", str(source), "--out", str(out)]) == 1
    names = {"same.png.png", "same.jpg.png", "deep er/ä/same.png"}
    for kind in ["map", "overlay", "cutout"]:
        written = {path.relative_to(out / kind).as_posix() for path in (out / kind).rglob("*.png")}
        assert written == names
    cutout = np.asarray(Image.open(out / "cutout" / "same.png.png"))
    map_ = np.asarray(Image.open(out / "map" / "same.png.png"))
    original = np.asarray(Image.open(source / "same.png"))
    np.testing.assert_array_equal(cutout[..., :3], original)
    np.testing.assert_array_equal(cutout[..., 3], map_)
    text = capsys.readouterr().out
    assert "3 of 5 images" in text
    assert "empty.jpg" in text
    assert "text.jpg" in text


def test_predict_takes_one_file_and_refines(scenes: Path, tmp_path: Path) -> None:
    file = scenes / "images" / "0001.png"
    arguments = [*DEMO, "--source", str(file), "--output", "map"]
    assert main(["predict", *arguments, "--out", str(tmp_path / "a")]) == 0
    assert main(["predict", *arguments, "--out", str(tmp_path / "b"), "--refine", "bilateral"]) == 0
    plain, refined = (np.asarray(Image.open(tmp_path / x / "map" / "0001.png")) for x in "ab")
    assert set(np.unique(plain)) <= {0, 255}
    assert len(np.unique(refined)) > 2
    assert not (tmp_path / "a" / "cutout").exists()


def make_mode(mode: str, folder: Path) -> Path:
    ramp = np.linspace(0, 65535, 40 * 56).reshape(40, 56)
    if mode == "16-bit":
        image = Image.fromarray(ramp.astype(np.uint16))
    elif mode == "exif":
        image = Image.fromarray((ramp / 257).astype(np.uint8)).convert("RGB")
        exif = image.getexif()
        exif[0x0112] = 6
        image.save(folder / "exif.jpg", exif=exif)
        return folder / "exif.jpg"
    else:
        image = Image.fromarray((ramp / 257).astype(np.uint8)).convert("RGB").convert(mode)
    path = folder / f"{mode}.{'tif' if mode == 'CMYK' else 'png'}"
    image.save(path)
    return path


@pytest.mark.parametrize("mode", ["L", "P", "CMYK", "16-bit", "RGBA", "1", "exif"])
def test_predict_on_every_kind_of_image(mode: str, tmp_path: Path) -> None:
    source = make_mode(mode, tmp_path)
    out = tmp_path / "out"
    assert main(["predict", *DEMO, "--source", str(source), "--out", str(out)]) == 0
    size = (40, 56) if mode == "exif" else (56, 40)
    assert Image.open(out / "map" / f"{source.stem}.png").size == size


@pytest.mark.parametrize("size", [(1, 1), (30000, 1), (1, 3000), (17, 5)])
def test_predict_on_odd_sizes(size: tuple[int, int], tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "odd.png")
    arguments = ["--source", str(tmp_path / "odd.png"), "--refine", "bilateral"]
    assert main(["predict", *DEMO, *arguments, "--out", str(tmp_path / "out")]) == 0
    assert Image.open(tmp_path / "out" / "map" / "odd.png").size == size


def test_data_check_reports_defects_by_its_exit_code(
    scenes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["data", "check", "--data.name", str(scenes)]) == 0
    broken = tmp_path / "broken"
    shutil.copytree(scenes, broken)
    (broken / "masks" / "0001.png").unlink()
    assert main(["data", "check", "--data.name", str(broken)]) == 1
    assert "0001" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["evaluate", *DEMO, "--model.tua", "1"], "Did you mean 'model.tau'?"),
        (["evaluate", *DEMO, "--model.backbone.nam", "x"], "Did you mean 'model.backbone.name'?"),
        (["evaluate", *DEMO, "--data.rot", "x"], "Did you mean 'data.root'?"),
        (["evaluate", *DEMO, "--model.tau", "abc"], "tau"),
        (["evaluate", *DEMO, "--data.test", "ECSD"], "Did you mean 'ECSSD'?"),
        (["evaluate", *DEMO, "--data.root", "/nowhere", "--data.test", "ECSSD"], "ECSSD"),
        (["evaluate", *DEMO, "--protocol", "meanmax"], "Did you mean 'mean-max'?"),
        (["evaluate", *DEMO, "--refine", "bilatral"], "Did you mean 'bilateral'?"),
        (["evaluate", "--config", "configs/demos.yaml"], "there is no such file"),
        (["evaluate", "--model", "TokenCat"], "Did you mean 'TokenCut'?"),
        (["evaluate", "--ckpt", "absent.ckpt"], "there is no such file"),
        (["evaluate"], "--config"),
        (["predict", *DEMO, "--source", "/nowhere/x.jpg"], "there is no such file or folder"),
        (["predict", *DEMO, "--source", "x", "--output", "maps"], "Did you mean 'map'?"),
        (["predict", *DEMO], "source"),
        (["fit", *DEMO], "TokenCut is training-free"),
        (["evalute"], "Did you mean 'evaluate'?"),
        (["data", "chek"], "check"),
    ],
)
def test_mistakes_are_reported_in_one_line(
    arguments: list[str],
    message: str,
    errors: Errors,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    assert message in errors()


def test_config_files_are_checked_by_key(tmp_path: Path, errors: Errors) -> None:
    config = tmp_path / "own.yaml"
    config.write_text("model: {class_path: TokenCut, init_args: {taau: 0.2}}\n")
    assert main(["evaluate", "--config", str(config)]) == 2
    assert errors() == f"error: {config}: unknown key 'model.taau'. Did you mean 'model.tau'?\n"
    config.write_text("model: [\n")
    assert main(["evaluate", "--config", str(config)]) == 2
    assert "is not valid YAML" in errors()


def test_help_is_short_and_names_the_options(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    overview = capsys.readouterr().out
    for command in ["fit", "test", "predict", "evaluate", "data"]:
        assert command in overview
        if command != "data":
            with pytest.raises(SystemExit, match="0"):
                main([command, "--help"])
            text = capsys.readouterr().out
            assert len(text.splitlines()) < 50
            assert ("--data.root" in text) is (command != "predict")  # it has sources of its own


def test_printed_config_runs_again(
    scenes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["test", *DEMO, "--model.tau", "0.25", "--data.test", str(scenes), "--print_config"])
    config = tmp_path / "printed.yaml"
    config.write_text(capsys.readouterr().out)
    assert "tau: 0.25" in config.read_text()
    assert main(["test", "--config", str(config)]) == 0


def test_a_checkpoint_that_holds_code_is_refused(tmp_path: Path, errors: Errors) -> None:
    class Code:
        def __reduce__(self) -> tuple[Callable[[], object], tuple[()]]:
            return Path.touch.__get__(tmp_path / "ran"), ()

    torch.save({"method": Code(), "state_dict": {}}, tmp_path / "bad.ckpt")
    assert main(["evaluate", "--ckpt", str(tmp_path / "bad.ckpt")]) == 2
    assert "refused" in errors()
    assert not (tmp_path / "ran").exists()
