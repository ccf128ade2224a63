"""`sod calibrate`: what it stores, and that all commands use it."""

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
import torch
from helpers.graphs import mean_graph
from PIL import Image

import sod
from sod.api.images import image_tensor
from sod.cli import main
from sod.data.levels import to_levels
from sod.data.synthetic import write_scenes
from sod.engine.checkpoint import read_checkpoint
from sod.engine.export.rules import Rules
from sod.engine.training import Training
from sod.methods.tokencut import TokenCut
from sod.refinement.calibration import Calibration, calibrated, read_calibrations
from sod.refinement.kinds import refine
from sod.refinement.view_agreement import ViewAgreement

Errors = Callable[[], str]
KIND = "bilateral"


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scenes") / "own"
    write_scenes(folder, count=3, size=(48, 64), seed=1)
    return folder


@pytest.fixture(scope="module")
def model(scenes: Path) -> Path:
    file = scenes.parent / "calibrated.ckpt"
    assert main([*words(scenes), "--refine", f"none,{KIND}", "--out", str(file)]) == 0
    return file


def words(scenes: Path) -> list[str]:
    source = ["--source", str(scenes / "images"), "--data.num_workers", "0"]
    return ["calibrate", "--config", "demo", *source, "--trainer.accelerator", "cpu"]


def test_the_calibration_is_that_of_the_maps_and_their_mirrored_images(
    scenes: Path, model: Path
) -> None:
    agreement, plain = ViewAgreement(), sod.load("demo", device="cpu").method
    for file in sorted((scenes / "images").iterdir()):
        image = image_tensor(file)[None]
        pair = [refine(each, plain.saliency(each), KIND) for each in (image, image.flip(-1))]
        agreement.add(pair[0], pair[1].flip(-1))
    found = read_calibrations(read_checkpoint(model), "file")
    assert set(found) == {"none", KIND}
    assert found[KIND] == agreement.calibration(0.01)
    assert found[KIND].temperature < 0.9


def test_all_ways_to_a_map_calibrate_it(scenes: Path, model: Path, tmp_path: Path) -> None:
    photo = sorted((scenes / "images").iterdir())[0]
    chosen = read_calibrations(read_checkpoint(model), "file")[KIND]
    raw = sod.load("demo", device="cpu", refine=KIND)(photo)
    expected = calibrated(torch.from_numpy(raw), chosen)
    own = sod.load(model, device="cpu", refine=KIND)(photo)
    torch.testing.assert_close(torch.from_numpy(own), expected)
    out = ["--out", str(tmp_path / "cut"), "--output", "map", "--refine", KIND]
    run = ["predict", "--ckpt", str(model), "--source", str(photo), *out]
    assert main([*run, "--data.num_workers", "0"]) == 0
    written = np.asarray(Image.open(tmp_path / "cut" / "map" / f"{photo.stem}.png"))
    assert np.abs(written.astype(int) - to_levels(expected).numpy().astype(int)).max() <= 1
    assert np.abs(written.astype(int) - to_levels(torch.from_numpy(raw)).numpy()).max() > 10


def test_an_evaluation_measures_calibrated_maps(scenes: Path, model: Path, tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = []
    for name, source in (("raw", ["--config", "demo"]), ("own", ["--ckpt", str(model)])):
        data = ["--data.test", str(scenes), "--data.num_workers", "0", "--pictures", "false"]
        run = ["evaluate", *source, *data, "--refine", KIND, "--out", str(tmp_path / name)]
        assert main([*run, "--resamples", "0", "--measures", "mae,accuracy,iou"]) == 0
        rows += json.loads((tmp_path / name / "metrics.json").read_text())
    raw, own = rows
    assert own["accuracy"] == raw["accuracy"]
    assert own["mae"] <= 1 - own["accuracy"] + 0.011
    assert raw["mae"] > own["mae"] + 0.01


def test_an_exported_model_keeps_it_and_training_drops_it(model: Path, tmp_path: Path) -> None:
    expected = read_calibrations(read_checkpoint(model), "file")
    assert main(["export", "--ckpt", str(model), "--out", str(tmp_path)]) == 0
    file = tmp_path / "model.safetensors"
    assert read_calibrations(read_checkpoint(file), "file") == expected
    method = sod.load(file, device="cpu").method
    assert method.calibrations == expected
    training = SimpleNamespace(plan=SimpleNamespace(resume=None), ckpt=str(file))
    Training.load_checkpoint(cast(Training, training), method)
    assert method.calibrations == {}


def test_a_graph_states_it(tmp_path: Path) -> None:
    own = {"none": Calibration(0.5)}
    rules = Rules("Mean", calibration=own)
    assert "calibration" not in Rules("Mean").text()
    model = sod.load(mean_graph(tmp_path / "model.onnx", rules), device="cpu")
    image = torch.rand(3, 16, 16, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(model(image), calibrated(image.mean(0), own["none"]))


def test_a_calibrated_model_is_calibrated_anew(scenes: Path, model: Path, tmp_path: Path) -> None:
    file = tmp_path / "again.safetensors"
    run = [*words(scenes), "--refine", KIND, "--out", str(file)]
    run[1:3] = ["--ckpt", str(model)]
    assert main(run) == 0
    before = read_calibrations(read_checkpoint(model), "file")
    assert read_calibrations(read_checkpoint(file), "file") == {KIND: before[KIND]}


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--images", "0", "--images 0: is not at least 1"),
        ("--tolerance", "0", "--tolerance 0.0: is not between 0 and 1"),
        ("--out", "model.pt", "--out model.pt: end it in .ckpt or .safetensors"),
        ("--refine", "soft", "--refine soft: unknown"),
    ],
)
def test_wrong_options_are_refused(
    option: str, value: str, message: str, scenes: Path, errors: Errors
) -> None:
    assert main([*words(scenes), option, value]) == 2
    assert message in errors()


def test_untrained_methods_and_the_same_file_are_refused(
    scenes: Path, model: Path, errors: Errors
) -> None:
    source = ["--source", str(scenes / "images")]
    assert main(["calibrate", "--config", "demo_peekaboo", *source]) == 2
    assert "Peekaboo has to be trained first" in errors()
    assert main(["calibrate", "--ckpt", str(model), *source, "--out", str(model)]) == 2
    assert "is the checkpoint itself" in errors()


def test_methods_start_uncalibrated() -> None:
    assert TokenCut.calibrations == {}
