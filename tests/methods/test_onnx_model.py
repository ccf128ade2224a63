"""Graphs of `sod export --onnx` as methods: in predict, in Python, and where they are refused."""

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from tempfile import mkdtemp

import numpy as np
import pytest
import torch
from helpers.graphs import mean_graph
from PIL import Image

import sod
from sod.cli import main
from sod.core.errors import SodError
from sod.data.synthetic import write_scenes
from sod.engine.export.rules import Rules
from sod.methods.onnx_model import OnnxModel
from sod.nn.inference import InferenceConfig, image_logits
from sod.testing import MethodContract

Errors = Callable[[], str]
PATCHES = Rules("Mean", multiple=16, inference=InferenceConfig(scales=(1.0, 1.5), flip=True))
FILE = mean_graph(Path(mkdtemp()) / "model.onnx", PATCHES)


class TestOnnxModel(MethodContract):
    method = OnnxModel
    arguments = {"file": str(FILE)}  # noqa: RUF012


def test_predict_needs_nothing_but_the_file(tmp_path: Path) -> None:
    write_scenes(tmp_path / "scenes", count=2, size=(37, 53), seed=3)
    file = mean_graph(tmp_path / "model.onnx", Rules("Mean"))
    words = ["predict", "--ckpt", str(file), "--source", str(tmp_path / "scenes" / "images")]
    words += ["--output", "map", "--out", str(tmp_path / "cut"), "--data.num_workers", "0"]
    assert main(words) == 0
    photo = np.asarray(Image.open(sorted((tmp_path / "scenes" / "images").iterdir())[0]))
    written = np.asarray(Image.open(sorted((tmp_path / "cut" / "map").iterdir())[0]))
    assert np.abs(written - photo.mean(2)).max() <= 1


def test_scales_padding_and_mirror_image_are_those_of_the_method(tmp_path: Path) -> None:
    padded = replace(PATCHES, inference=InferenceConfig(scales=(1.5,), max_tokens=4))
    for rules in (PATCHES, padded):
        model = sod.load(mean_graph(tmp_path / "model.onnx", rules), device="cpu")
        image = torch.rand(3, 40, 56, generator=torch.Generator().manual_seed(0))
        assert rules.inference is not None
        expected = image_logits(
            lambda images: images.mean(1, keepdim=True).logit(eps=1e-6),
            image[None],
            rules.inference,
            rules.multiple,
            torch.tensor(rules.mean),
        ).sigmoid()[0, 0]
        torch.testing.assert_close(model(image), expected, atol=1e-5, rtol=0)


def test_images_are_resized_to_a_fixed_size(tmp_path: Path) -> None:
    model = sod.load(mean_graph(tmp_path / "model.onnx", Rules("Mean", (16, 32))), device="cpu")
    gradient = torch.linspace(0, 1, 96).expand(3, 64, 96)
    assert (model(gradient) - gradient[0]).abs().max() < 0.02


def test_other_weights_are_another_source(tmp_path: Path) -> None:
    one = OnnxModel(str(mean_graph(tmp_path / "one.onnx", Rules("Mean"))))
    other = OnnxModel(str(mean_graph(tmp_path / "other.onnx", PATCHES)))
    assert one.weights_checksum() != other.weights_checksum()


def test_what_is_no_exported_graph_is_named(tmp_path: Path) -> None:
    with pytest.raises(SodError, match="no graph that `sod export --onnx` wrote"):
        sod.load(mean_graph(tmp_path / "foreign.onnx", None))
    (tmp_path / "damaged.onnx").write_bytes(b"\x08\x07nonsense")
    with pytest.raises(SodError, match=r"damaged\.onnx: is damaged or no ONNX graph"):
        sod.load(tmp_path / "damaged.onnx")


@pytest.mark.parametrize(
    "text",
    ["[]", "{", '{"size": 3}', PATCHES.text().replace("16", "-1"), PATCHES.text() * 2],
)
def test_damaged_rules_are_refused(text: str, tmp_path: Path) -> None:
    import onnx

    model = onnx.load(str(FILE))
    onnx.helper.set_model_props(model, {"sod": text})
    onnx.save(model, str(tmp_path / "model.onnx"))
    with pytest.raises(SodError, match="damaged"):
        sod.load(tmp_path / "model.onnx")


def test_a_missing_runtime_is_named(
    tmp_path: Path, errors: Errors, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    words = ["--ckpt", str(FILE), "--source", str(tmp_path), "--out", str(tmp_path / "cut")]
    Image.new("RGB", (32, 32)).save(tmp_path / "photo.png")
    assert main(["predict", *words]) == 2
    assert "needs onnxruntime: pip install 'sod[onnx]'" in errors()


def test_a_graph_is_not_exported_again(tmp_path: Path, errors: Errors) -> None:
    assert main(["export", "--ckpt", str(FILE), "--out", str(tmp_path / "out")]) == 2
    assert "is exported already" in errors()
