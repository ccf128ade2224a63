"""`sod export --onnx`: a graph that says what the method says, or a line that says why not."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.export_cases import images, small, write_checkpoint, write_weights
from onnxruntime import InferenceSession
from torch import Tensor

from sod.cli import main
from sod.engine.export import graph
from sod.engine.method import Method
from sod.methods.centre_box import CentreBox
from sod.methods.connnet import ConnNet
from sod.methods.peekaboo import Peekaboo
from sod.methods.student import Student

DESCRIPTOR = {"backbone": {"name": "descriptor", "weights": None}}
BOX = ["export", "--model=CentreBox", "--onnx", "--size=16x16"]
LINEAR = {"network": {"decoder": "linear"}}
Errors = Callable[[], str]


@pytest.mark.parametrize(
    ("cls", "arguments"),
    [
        (Peekaboo, DESCRIPTOR),
        (ConnNet, LINEAR),
        (Student, {}),
    ],
    ids=["Peekaboo", "ConnNet", "Student"],
)
def test_a_graph_says_what_the_method_says(
    cls: type[Method], arguments: dict[str, Any], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    method = small(cls, write_weights(tmp_path / "vit.safetensors"), **arguments)
    file = write_checkpoint(method, tmp_path / "run.ckpt")
    words = [f"--ckpt={file}", f"--out={tmp_path / 'out'}", "--onnx", "--size", "32x48"]
    assert main(["export", *words]) == 0
    said, complaints = capfd.readouterr()
    assert "images [batch, 3, 32, 48]" in said
    assert len(said.splitlines()) == 2
    assert complaints == ""
    assert len(list((tmp_path / "out").iterdir())) == 3
    session = InferenceSession(tmp_path / "out" / "model.onnx")
    for count in (1, 3):
        (saliency,) = session.run(None, {"images": images(count).numpy()})
        with torch.inference_mode():
            expected = method.saliency(images(count))
        torch.testing.assert_close(torch.from_numpy(saliency), expected, atol=1e-4, rtol=0)


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
    monkeypatch.setattr(graph, "_run", lambda path, images: images[:, :1])
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
