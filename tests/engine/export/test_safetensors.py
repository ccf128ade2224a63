"""`sod export` as safetensors: one file that is a checkpoint everywhere, and needs no other."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.export_cases import LEARNING, backbone, images, small, write_checkpoint, write_weights
from PIL import Image
from safetensors import safe_open
from safetensors.torch import save_file

from sod.cli import main
from sod.core.errors import SodError
from sod.data.dataset import Batch
from sod.data.samples import Sample
from sod.data.synthetic import write_scenes
from sod.engine.checkpoint import read_checkpoint
from sod.engine.method import Method
from sod.engine.portable import portable_arguments
from sod.evaluation.lists import parse_methods
from sod.labels.teachers import build_teacher
from sod.methods.connnet import ConnNet
from sod.methods.generations.ensemble import Generations
from sod.methods.peekaboo import Peekaboo
from sod.methods.tokencut import TokenCut
from sod.nn.backbones.build import BackboneConfig
from sod.spectral.masks import MasksConfig

Errors = Callable[[], str]


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    return write_weights(tmp_path / "vit.safetensors")


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scenes") / "own"
    write_scenes(folder, count=2, size=48, seed=3)
    return folder


def exported(method: Method, weights: Path) -> Path:
    """Export through the command line, and take the backbone's own file away."""
    file = write_checkpoint(method, weights.parent / "run.ckpt")
    assert main(["export", f"--ckpt={file}", f"--out={weights.parent / 'out'}"]) == 0
    weights.unlink()
    file.unlink()
    return weights.parent / "out" / "model.safetensors"


@pytest.mark.parametrize("cls", LEARNING, ids=lambda cls: cls.__name__)
def test_every_learning_method_is_one_file(cls: type[Method], weights: Path) -> None:
    method = small(cls, weights)
    file = exported(method, weights)
    again = build_teacher(str(file)).eval()
    assert type(again) is cls
    with torch.inference_mode():
        assert torch.equal(again.saliency(images()), method.saliency(images()))
    with safe_open(file, "pt") as content:
        assert str(weights) not in content.metadata()["sod"]
    written = {path.name for path in file.parent.iterdir()}
    assert written == {"config.yaml", "model_card.md", file.name, "thumbnail.png"}
    # Students share a backbone, and the file holds it once.
    once = {id(v): v for v in (*again.parameters(), *again.buffers())}.values()
    assert (len(once) < len(again.state_dict())) == issubclass(cls, Generations)
    bytes_once = sum(value.numel() * value.element_size() for value in once)
    assert file.stat().st_size < bytes_once + 100_000


def test_a_training_free_method_needs_no_checkpoint(weights: Path, tmp_path: Path) -> None:
    words = ["--model=TokenCut", f"--model.backbone={json.dumps(backbone(weights))}"]
    assert main(["export", *words, f"--out={tmp_path}"]) == 0
    method = TokenCut(BackboneConfig(**backbone(weights)))
    weights.unlink()
    again = build_teacher(str(tmp_path / "model.safetensors"))
    assert torch.equal(again.backbone(images()), method.backbone(images()))


def test_the_command_line_takes_it_as_a_checkpoint(weights: Path, scenes: Path) -> None:
    place = weights.parent
    source = ["predict", f"--source={scenes / 'images'}", "--output=map", "--data.num_workers=0"]
    method = small(Peekaboo, weights)
    first = write_checkpoint(method, place / "first.ckpt")
    assert main([*source, f"--ckpt={first}", f"--out={place / 'a'}"]) == 0
    file = exported(method, weights)
    both = [f"--ckpt={file}", f"--config={file.with_name('config.yaml')}"]
    assert main([*source, *both, f"--out={place / 'b'}"]) == 0
    for name in ("0000.png", "0001.png"):
        before, after = (np.asarray(Image.open(place / x / "map" / name)) for x in "ab")
        np.testing.assert_array_equal(before, after)
    assert parse_methods(str(file)).entries[0].arguments == ("--ckpt", str(file))
    words = [f"--ckpt={file}", f"--data.test={scenes}", f"--out={place / 'c'}"]
    assert main(["evaluate", *words, "--data.num_workers=0", "--pictures=false"]) == 0
    assert json.loads((place / "c" / "metrics.json").read_text())[0]["images"] == 2


@pytest.mark.usefixtures("one_thread")
def test_fine_tuning_goes_on_from_it_alone(weights: Path, scenes: Path) -> None:
    """The teacher is TokenCut on its own backbone, and later checkpoints hold that too."""
    method = small(ConnNet, weights)
    assert isinstance(method, ConnNet)
    teacher = method.default_teacher()
    file = exported(method, weights)
    again = build_teacher(str(file))
    assert isinstance(again, ConnNet)
    assert torch.equal(again.default_teacher().backbone(images()), teacher.backbone(images()))
    out = weights.parent / "run"
    words = [f"--ckpt={file}", f"--data.train={scenes}", f"--out={out}", "--data.batch_size=2"]
    words += ["--trainer.max_steps=1", "--data.size=32", "--data.val_images=0"]
    words += ["--model.labels.selection.keep=1", "--trainer.val_check_interval=null"]
    words += ["--data.num_workers=0", "--trainer.enable_model_summary=false"]
    assert main(["fit", *words]) == 0
    state = read_checkpoint(out / "last.ckpt")["state_dict"]
    tuned = build_teacher(str(out / "last.ckpt")).state_dict()
    assert all(torch.equal(value, tuned[name]) for name, value in state.items())
    assert any(not torch.equal(v, tuned[name]) for name, v in again.state_dict().items())


def test_local_files_are_left_out() -> None:
    found = portable_arguments(
        {
            "backbone": {"name": "vit", "weights": "hub"},
            "masking": {"kind": "folder", "folder": "/masks", "amount": "low"},
            "labels": {"store": "/store", "teacher": "a.yaml", "keep": 0.5},
            "teachers": ["a.yaml"],
            "students": ({"arguments": {"backbone": {"name": "vit"}}},),
            "head": {"weights": {"dice": 1.0}},
            "store_backbone": False,
        }
    )
    assert found == {
        "backbone": {"name": "vit", "weights": None},
        "masking": {"kind": "strokes", "folder": None, "amount": "low"},
        "labels": {"store": None, "teacher": None, "keep": 0.5},
        "teachers": [],
        "students": [{"arguments": {"backbone": {"name": "vit", "weights": None}}}],
        "head": {"weights": {"dice": 1.0}},
        "store_backbone": True,
    }


def test_initial_targets_that_need_more_of_the_backbone_are_an_error(weights: Path) -> None:
    method = build_teacher(
        str(exported(small(Peekaboo, weights, initial_targets={"kind": "found"}), weights))
    )
    samples = [Sample(name, Path(name)) for name in "ab"]
    batch = Batch(images=images(), masks=[None, None], samples=samples, errors=[])
    with pytest.raises(SodError, match=r"found.*--model\.backbone\.weights"):
        method.loss(batch)


def test_files_that_are_no_models_are_refused(tmp_path: Path, errors: Errors) -> None:
    file = tmp_path / "model.safetensors"
    for content in (b"", b"no tensors at all", b"\x08" + bytes(7) + b'{"a": 1}'):
        file.write_bytes(content)
        assert main(["test", f"--ckpt={file}"]) == 2
        assert f"{file}: is damaged" in errors()
    for metadata in (None, {"format": "pt"}, {"sod": "[]"}, {"sod": '{"method": "Peekaboo"}'}):
        save_file({"weight": torch.zeros(2)}, file, metadata)
        assert main(["test", f"--ckpt={file}"]) == 2
        assert "no model that `sod export` wrote" in errors()


def test_a_damaged_file_is_refused(weights: Path, errors: Errors) -> None:
    file = exported(small(LEARNING[-1], weights), weights)
    file.write_bytes(file.read_bytes()[:-100])
    assert main(["test", f"--ckpt={file}"]) == 2
    assert f"{file}: is damaged" in errors()


def test_nothing_learnt_is_nothing_to_export(tmp_path: Path, errors: Errors) -> None:
    words = ["export", "--model=Student", f"--out={tmp_path / 'out'}"]
    assert main(words) == 2
    assert "give --ckpt FILE" in errors()
    (tmp_path / "out").write_text("a file")
    assert main(["export", "--model=CentreBox", *words[2:]]) == 2
    assert "cannot be created" in errors()


def test_head_selection_needs_more_than_the_exported_backbone(weights: Path) -> None:
    again = build_teacher(str(exported(small(ConnNet, weights), weights)))
    assert isinstance(again, ConnNet)
    again.labels = replace(again.labels, masks=MasksConfig(select_heads=True))
    with pytest.raises(SodError, match=r"labels\.masks: needs more of the backbone"):
        again.default_teacher()
