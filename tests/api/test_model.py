"""A model in Python: every kind of input, and what the command line writes."""

from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.places import ROOT
from PIL import Image

import sod
from sod.cli import main
from sod.core.errors import SodError
from sod.data.reading import read_image, to_tensor
from sod.data.synthetic import write_scenes
from sod.refinement.bilateral import bilateral_solver

DESCRIPTOR = {"name": "descriptor"}


@pytest.fixture(scope="module")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photos") / "own"
    write_scenes(folder, count=1, size=(64, 96), seed=5)
    return folder / "images" / "0000.png"


@pytest.fixture(scope="module")
def model() -> sod.Model:
    return sod.load("tokencut", backbone="descriptor", device="cpu", tau=0.3)


def test_every_kind_of_image_gives_the_same_map(model: sod.Model, photo: Path) -> None:
    pixels = read_image(photo)
    expected = model(photo)
    assert expected.dtype == np.float32
    assert expected.shape == (64, 96)
    assert 0 < expected.mean() < 1
    opaque = np.dstack([pixels, np.full((64, 96), 255, np.uint8)])
    for image in (str(photo), Image.open(photo), pixels, pixels / 255, opaque):
        np.testing.assert_array_equal(model(image), expected)
    tensor = to_tensor(pixels)
    assert torch.equal(model(tensor), torch.from_numpy(expected))
    assert torch.equal(model(torch.from_numpy(pixels).permute(2, 0, 1)), model(tensor))
    batch = model(tensor.expand(2, -1, -1, -1))
    assert batch.shape == (2, 64, 96)
    assert torch.equal(batch[1], model(tensor))
    listed = model([photo, pixels])
    assert len(listed) == 2
    np.testing.assert_array_equal(listed[1], expected)


def test_a_rotated_photo_is_seen_upright(model: sod.Model, photo: Path, tmp_path: Path) -> None:
    image = Image.open(photo)
    exif = image.getexif()
    exif[0x0112] = 6
    image.save(tmp_path / "turned.png", exif=exif)
    assert model(tmp_path / "turned.png").shape == (96, 64)
    assert model(Image.open(tmp_path / "turned.png")).shape == (96, 64)


def test_maps_are_those_of_the_command_line(model: sod.Model, photo: Path, tmp_path: Path) -> None:
    words = ["predict", "--config", "demo", "--source", str(photo), "--refine", "bilateral"]
    assert main([*words, "--out", str(tmp_path), "--output", "map"]) == 0
    written = np.asarray(Image.open(tmp_path / "map" / "0000.png"))
    refined = sod.load("demo", device="cpu", refine="bilateral")(photo)
    np.testing.assert_array_equal(np.rint(refined * 255).astype(np.uint8), written)
    np.testing.assert_array_equal(sod.refine(photo, model(photo)), refined)
    again = bilateral_solver(
        to_tensor(read_image(photo))[None], torch.from_numpy(model(photo))[None, None]
    )
    np.testing.assert_array_equal(refined, again[0, 0].numpy())


def test_masks_and_boxes_of_two_objects(model: sod.Model) -> None:
    class Two(type(model.method)):  # type: ignore[misc]
        def saliency(self, images: torch.Tensor) -> torch.Tensor:
            maps = torch.zeros(len(images), 1, *images.shape[-2:])
            maps[..., 2:4, 3:9] = 0.9
            maps[..., 6:9, 1:3] = 0.6
            return maps

    both = sod.Model(model.method, torch.device("cpu"))
    both.method = Two.__new__(Two)
    torch.nn.Module.__init__(both.method)
    image = np.zeros((10, 12, 3), np.uint8)
    assert both.boxes(image) == [(3, 2, 9, 4), (1, 6, 3, 9)]
    assert both.boxes(image, threshold=0.7) == [(3, 2, 9, 4)]
    assert both.boxes(image, keep="largest") == [(3, 2, 9, 4)]
    assert both.mask(image).sum() == 12 + 6
    with pytest.raises(SodError, match="does not separate objects"):
        both.instances(image)


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros((4, 4, 2), np.uint8), r"shape \[4, 4, 2\]"),
        (np.full((4, 4, 3), 7.0), "floats from 7 to 7"),
        (torch.zeros(4, 4), r"shape \[4, 4\]"),
        ("absent.png", "absent.png: no such file"),
    ],
)
def test_what_is_no_image_is_refused(model: sod.Model, image: object, message: str) -> None:
    with pytest.raises(SodError, match=message):
        model(image)


def test_exported_and_trained_models_load(photo: Path, tmp_path: Path) -> None:
    from sod.methods.peekaboo import Peekaboo

    scenes = str(photo.parents[1])
    words = ["fit", "--config", "demo_peekaboo", "--data.train", scenes, "--data.num_workers=0"]
    words += ["--data.size=48", "--data.batch_size=1", "--trainer.max_steps=1"]
    assert main([*words, "--out", str(tmp_path)]) == 0
    trained = sod.load(tmp_path / "last.ckpt", device="cpu")
    assert repr(trained) == "Model(Peekaboo on cpu)"
    loaded = Peekaboo.load_from_checkpoint(tmp_path / "last.ckpt", map_location="cpu")
    assert torch.equal(loaded.head.predict.weight, trained.method.head.predict.weight)
    assert loaded.inference == trained.method.inference
    assert not torch.equal(
        loaded.head.predict.weight, Peekaboo(backbone=loaded.config).head.predict.weight
    )
    changed = Peekaboo.load_from_checkpoint(tmp_path / "last.ckpt", inference={"flip": True})
    assert changed.inference.flip
    assert changed.inference.fit == loaded.inference.fit
    from sod.methods.tokencut import TokenCut

    with pytest.raises(SodError, match="holds a Peekaboo, not a TokenCut"):
        TokenCut.load_from_checkpoint(tmp_path / "last.ckpt")


@pytest.mark.parametrize(
    ("source", "options", "message"),
    [
        ("tokencat", {}, "Did you mean 'tokencut'"),
        ("zzz", {}, "there is no such file"),
        ("absent.ckpt", {}, "absent.ckpt: there is no such file"),
        ("tests", {}, "is a folder: give a file such as best.ckpt"),
        ("own.yaml", {}, "there is no such file"),
        ("tokencut", {"device": "cuda"}, "this machine has no CUDA GPU"),
        ("tokencut", {"device": "gpu0"}, "unknown"),
        ("demo", {"tua": 1}, "tua"),
        ("demo", {"refine": "bilatral"}, "Did you mean 'bilateral'"),
    ],
)
def test_mistakes(
    source: str, options: dict[str, object], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    if options.get("device") == "cuda" and torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    with pytest.raises(SodError, match=message):
        sod.load(source, **options)  # type: ignore[arg-type]


def test_measures_are_those_of_the_command_line(tmp_path: Path) -> None:
    import json

    write_scenes(tmp_path / "own", count=2, size=48, seed=2)
    words = ["evaluate", "--config", "demo", "--data.test", str(tmp_path / "own")]
    assert main([*words, "--save-maps", "--out", str(tmp_path / "out")]) == 0
    (row,) = json.loads((tmp_path / "out" / "metrics.json").read_text())
    maps, masks = tmp_path / "out" / "maps" / "TokenCut" / "own", tmp_path / "own" / "masks"
    measures = sod.evaluate(maps, masks)
    for name in ("iou", "max_f", "mae", "s_measure"):
        assert measures[name] == pytest.approx(row[name], abs=1e-6)
    names = sorted(path.name for path in masks.iterdir())
    listed = sod.evaluate(
        [Image.open(maps / name) for name in names], [masks / name for name in names]
    )
    assert listed == measures
    (maps / "0001.png").unlink()
    with pytest.raises(SodError, match="has no 0001"):
        sod.evaluate(maps, masks)
