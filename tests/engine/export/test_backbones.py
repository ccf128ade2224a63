"""Export of PEEKABOO on every family of backbones, small and with random weights."""

from pathlib import Path

import pytest
import torch
from helpers.export_cases import write_checkpoint
from helpers.families import PLAIN, STAGED, small_models

from sod.cli import main
from sod.engine.building import build_method
from sod.engine.export.graph import write_graph
from sod.engine.method import Method
from sod.labels.teachers import build_teacher

GRAPHS = [
    pytest.param("vit_small_patch16_dinov3.lvd1689m", marks=pytest.mark.slow),
    "convnext_tiny.dinov3_lvd1689m",
]
"""The graphs that are written in every test run; the others are in `make test-all`."""


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    small_models(monkeypatch)


def peekaboo(name: str) -> Method:
    """PEEKABOO with a head of random weights on the output of block 1."""
    torch.manual_seed(1)
    backbone = {"name": name, "weights": None, "facet": "token", "block": 1, "pos_embed": "timm"}
    arguments = {"backbone": backbone, "inference": {"fit": "resize"}, "store_backbone": True}
    return build_method("Peekaboo", arguments, {}, "test").eval()


@pytest.mark.parametrize("name", [*PLAIN, *STAGED])
def test_a_model_is_one_file(name: str, tmp_path: Path) -> None:
    method = peekaboo(name)
    file = write_checkpoint(method, tmp_path / "run.ckpt")
    assert main(["export", f"--ckpt={file}", f"--out={tmp_path / 'out'}"]) == 0
    file.unlink()
    again = build_teacher(str(tmp_path / "out" / "model.safetensors")).eval()
    images = torch.rand(2, 3, 70, 90)
    with torch.inference_mode():
        assert torch.equal(again.saliency(images), method.saliency(images))


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[] if name in GRAPHS else pytest.mark.slow)
        for name in [*PLAIN, *STAGED]
    ],
)
def test_a_graph_says_what_the_method_says(name: str, tmp_path: Path) -> None:
    written = write_graph(peekaboo(name), tmp_path / "model.onnx", (112, 160))
    assert written.differences[0].largest < 2e-3
