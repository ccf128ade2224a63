"""What every method and every config has to keep, the ones still to come included."""

from pathlib import Path

import pytest
from helpers.places import CONFIGS

import sod.methods  # noqa: F401 - defines the methods
from sod.cli import main
from sod.cli.app import assemble
from sod.cli.catalogue import COMMANDS
from sod.data.synthetic import write_scenes
from sod.engine.method import Method
from sod.engine.registry import known_methods
from sod.methods.onnx_model import OnnxModel
from sod.testing import MethodContract

FILES = sorted(CONFIGS.glob("*.yaml"))
FREE = ["--model.backbone.name=descriptor", "--model.backbone.weights=null"]
RANDOM = [
    "--model.backbone.name=vit_tiny_patch16_224",
    *FREE[1:],
    "--model.backbone.pos_embed=timm",
]


def contract_of(method: type[Method]) -> type[MethodContract]:
    """Return the contract of a method; the configs run it from the command line, see below."""
    content = {"method": method, "test_the_command_line_runs_it": None}
    return type(f"Test{method.__name__}", (MethodContract,), content)


for _method in sorted(known_methods(), key=lambda cls: cls.__name__):
    if _method is OnnxModel:
        continue  # tests/methods/test_onnx_model.py has its contract, with a graph
    globals()[f"Test{_method.__name__}"] = contract_of(_method)


@pytest.mark.parametrize("config", FILES, ids=lambda path: path.stem)
def test_every_config_runs(config: Path, tmp_path: Path) -> None:
    write_scenes(tmp_path / "scenes", count=2, size=48, seed=3)
    arguments = ["--config", str(config), "--data.num_workers=0"]
    text = config.read_text()
    if "backbone:" in text:
        needs_class_token = "kind: found" in text or "prior: attention" in text
        arguments += RANDOM if needs_class_token else FREE
    test = [*arguments, "--data.test", str(tmp_path / "scenes")]
    assert main(["test", *test]) == 0
    cls = type(assemble(COMMANDS["test"], test).method)
    if cls.is_trainable():
        train = [*arguments, "--data.train", str(tmp_path / "scenes"), "--data.size=48"]
        train += ["--data.batch_size=2", "--trainer.fast_dev_run=true"]
        assert main(["fit", *train, "--out", str(tmp_path / "run")]) == 0
