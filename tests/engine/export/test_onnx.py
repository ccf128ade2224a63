"""`sod export --onnx`: a graph that says what the method says, or a line that says why not."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.export_cases import VIT, images, small, write_checkpoint, write_weights
from onnxruntime import InferenceSession
from PIL import Image
from torch import Tensor

import sod
from sod.cli import main
from sod.engine.export.session import OnnxGraph
from sod.engine.method import Method
from sod.methods.centre_box import CentreBox
from sod.methods.connnet import ConnNet
from sod.methods.peekaboo import Peekaboo
from sod.methods.student import Student

DESCRIPTOR = {"backbone": {"name": "descriptor", "weights": None}}
BOX = ["export", "--model=CentreBox", "--onnx", "--size=16x16"]
PUBLISHED = {
    "backbone": {"name": VIT, "block": 1, "pos_embed": "dino"},
    "inference": {"fit": "resize", "scales": [1.0, 1.5], "flip": True},
}
LINEAR = {"network": {"decoder": "linear"}}
Errors = Callable[[], str]


CASES = [
    pytest.param(Peekaboo, DESCRIPTOR, [], id="Peekaboo", marks=pytest.mark.slow),
    pytest.param(Peekaboo, PUBLISHED, ["--half"], id="half", marks=pytest.mark.slow),
    pytest.param(ConnNet, LINEAR, ["--check"], id="ConnNet", marks=pytest.mark.slow),
    pytest.param(Student, {}, [], id="Student"),
]


@pytest.mark.parametrize(("cls", "arguments", "options"), CASES)
def test_a_graph_of_any_size_says_what_the_method_says(
    cls: type[Method],
    arguments: dict[str, Any],
    options: list[str],
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    weights = write_weights(tmp_path / "vit.safetensors")
    method = small(cls, weights, **with_file(arguments, weights))
    file = write_checkpoint(method, tmp_path / "run.ckpt")
    assert main(["export", f"--ckpt={file}", f"--out={tmp_path / 'out'}", "--onnx", *options]) == 0
    said, complaints = capfd.readouterr()
    assert "fixed" not in said
    assert said.count("99 % below") == (6 if "--check" in options else 2)
    assert complaints == ""
    graph = sod.load(tmp_path / "out" / "model.onnx", device="cpu")
    for size in ((32, 48), (61, 40)):
        with torch.inference_mode():
            expected = method.saliency(images(2, size))[:, 0]
        tolerance = 1e-2 if "--half" in options else 1e-4
        torch.testing.assert_close(graph(images(2, size)), expected, atol=tolerance, rtol=0)


def with_file(arguments: dict[str, Any], weights: Path) -> dict[str, Any]:
    """Put the file of weights into the arguments of a published backbone."""
    if arguments is not PUBLISHED:
        return arguments
    return {**arguments, "backbone": {**arguments["backbone"], "weights": str(weights)}}


def test_a_graph_of_one_size(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main([*BOX, f"--out={tmp_path / 'out'}"]) == 0
    assert "images [batch, 3, height, width], 16x16, to saliency" in capfd.readouterr().out
    session = InferenceSession(tmp_path / "out" / "model.onnx")
    for count in (1, 3):
        (saliency,) = session.run(None, {"images": images(count, (16, 16)).numpy()})
        expected = CentreBox().saliency(images(count, (16, 16)))
        torch.testing.assert_close(torch.from_numpy(saliency), expected)
    card = (tmp_path / "out" / "model_card.md").read_text()
    assert "# CentreBox" in card
    assert "`model.onnx` | images" in card
    assert "training-free" in card
    with Image.open(tmp_path / "out" / "thumbnail.png") as thumbnail:
        assert thumbnail.width > thumbnail.height > 120


@pytest.mark.slow
def test_a_graph_that_cannot_be_of_any_size_has_a_fixed_one(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def one_width(self: CentreBox, images: Tensor) -> Tensor:
        return images[:, :1] if images.shape[-1] == 11 else images[:, 1:2]  # 11: as it is traced

    monkeypatch.setattr(CentreBox, "saliency", one_width)
    words = ["export", "--model=CentreBox", "--onnx", f"--out={tmp_path / 'out'}"]
    assert main(words) == 0
    said = capfd.readouterr().out
    (reason,) = [line for line in said.splitlines() if "has a fixed size" in line]
    assert "PyTorch" in reason
    assert "nothing is written" not in reason
    assert "320x320" in said


def test_a_method_that_is_no_graph_is_refused(tmp_path: Path, errors: Errors) -> None:
    words = ["export", "--model=TokenCut", f"--out={tmp_path / 'out'}", "--onnx"]
    words += ["--model.backbone.name=descriptor", "--model.backbone.weights=null"]
    assert main(words) == 2
    assert "TokenCut is no graph" in errors()
    assert not list(tmp_path.glob("out/*"))


def test_what_cannot_be_traced_is_told_in_one_line(
    tmp_path: Path, errors: Errors, monkeypatch: pytest.MonkeyPatch
) -> None:
    def deciding(self: CentreBox, images: Tensor) -> Tensor:
        return images[:, :1] if images.mean() > 0.5 else images[:, 1:2]

    monkeypatch.setattr(CentreBox, "saliency", deciding)
    assert main([*BOX, f"--out={tmp_path / 'out'}"]) == 2
    assert "PyTorch cannot write this CentreBox" in errors()
    assert not list(tmp_path.glob("out/*"))


def test_a_graph_that_says_something_else_is_not_kept(
    tmp_path: Path, errors: Errors, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "model.onnx").write_text("the previous one")
    monkeypatch.setattr(OnnxGraph, "saliency", lambda self, images: images[:, :1])
    assert main([*BOX, f"--out={tmp_path / 'out'}"]) == 2
    assert "differs from PyTorch's" in errors()
    assert [path.read_text() for path in (tmp_path / "out").iterdir()] == ["the previous one"]


@pytest.mark.parametrize("size", ["320", "320x", "x320", "0x320", "8x320", "-3x3", "a", "1e9x1e9"])
def test_a_malformed_size_is_refused(size: str, tmp_path: Path, errors: Errors) -> None:
    words = [f"--out={tmp_path / 'out'}", "--onnx", f"--size={size}"]
    assert main(["export", "--model=CentreBox", *words]) == 2
    assert f"--size {size}: is not HEIGHTxWIDTH" in errors()
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["onnx", "onnxscript", "onnxruntime"])
def test_a_missing_package_is_named(
    name: str, tmp_path: Path, errors: Errors, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, name, None)
    assert main(["export", "--model=CentreBox", f"--out={tmp_path / 'out'}", "--onnx"]) == 2
    assert f"needs the package {name}: pip install 'sod[export]'" in errors()
    assert not (tmp_path / "out").exists()
