"""Methods, backbones and refinements of other packages."""

import gc
import os
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import EntryPoint
from itertools import count
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import sod
from sod.cli import main
from sod.core.at_end import AT_END
from sod.core.errors import SodError
from sod.core.registry import Registry
from sod.data.synthetic import write_scenes
from sod.engine import plugins
from sod.engine.plugins import load_plugins, split_modules
from sod.engine.registry import known_methods
from sod.nn.backbones.build import BackboneConfig, build_backbone
from sod.nn.backbones.builders import BUILDERS
from sod.refinement.kinds import REFINEMENTS, parse_refinements

Errors = Callable[[], str]
NAME = "OwnPlugin"
SOURCE = '''
"""A package of a user's."""
from sod.nn.backbones.builders import BUILDERS
from sod.nn.backbones.descriptor import Descriptor
from sod.engine.method import Method
from sod.refinement.kinds import REFINEMENTS


class OwnPlugin(Method):
    """Dark pixels are salient.

    Args:
        power: Exponent.
    """

    def __init__(self, power: float = 1.0) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.power = power

    def saliency(self, images):
        return (1 - images.mean(1, keepdim=True)) ** self.power


REFINEMENTS.register("own-inverse", lambda images, saliency: 1 - saliency)
BUILDERS.register("own-descriptor", lambda config: Descriptor(contrast=True))
'''


_numbers = count()


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with the module ``own_plugin``, as the current folder; forgotten afterwards.

    Its method has another name in each test, for a class lives on as long as something knows it.
    """
    name = f"Own{next(_numbers)}"
    (tmp_path / "own_plugin.py").write_text(SOURCE.replace("OwnPlugin", name))
    monkeypatch.setattr(sys.modules[__name__], "NAME", name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry])
    monkeypatch.setenv(plugins.VARIABLE, "")
    monkeypatch.setattr(REFINEMENTS, "_items", dict(REFINEMENTS))
    monkeypatch.setattr(BUILDERS, "_items", dict(BUILDERS))
    write_scenes(tmp_path / "scenes", count=1, size=(40, 56), seed=1)
    yield tmp_path
    sys.modules.pop("own_plugin", None)
    gc.collect()


def test_a_module_brings_a_method_and_a_refinement_to_the_command_line(package: Path) -> None:
    words = ["predict", "--plugins", "own_plugin", "--model", NAME, "--model.power", "2"]
    words += ["--source", "scenes/images", "--refine", "own-inverse", "--output", "map"]
    assert main([*words, "--out", "out"]) == 0
    pixels = np.asarray(Image.open("scenes/images/0000.png").convert("RGB")) / 255
    expected = np.rint(255 * (1 - (1 - pixels.mean(2)) ** 2))
    written = np.asarray(Image.open("out/map/0000.png")).astype(int)
    assert np.abs(written - expected).max() <= 1
    assert os.environ[plugins.VARIABLE] == ""


def test_processes_that_a_command_starts_inherit_the_modules(package: Path) -> None:
    plugins.load_plugins(["own_plugin"])
    assert os.environ[plugins.VARIABLE] == "own_plugin"
    AT_END.close()  # as at the end of a command
    assert os.environ[plugins.VARIABLE] == ""


def test_a_config_names_its_plug_ins(package: Path, errors: Errors) -> None:
    model = f"model: {{class_path: own_plugin.{NAME}, init_args: {{power: 2}}}}\n"
    Path("own.yaml").write_text(f"plugins: [own_plugin]\n{model}")
    assert main(["test", "--config", "own.yaml", "--data.test", "scenes"]) == 0
    assert main(["test", "--config", "own.yaml", "--model.pwer", "1"]) == 2
    assert "Did you mean 'model.power'?" in errors()


def test_a_checkpoint_of_a_plug_in_needs_it_to_be_named(package: Path, errors: Errors) -> None:
    content = {"method": NAME, "hyper_parameters": {"power": 3.0}, "state_dict": {}}
    torch.save(content, "own.ckpt")
    words = ["predict", "--ckpt", "own.ckpt", "--source", "scenes/images", "--out", "out"]
    assert main(words) == 2
    assert "--plugins MODULE" in errors()
    assert main([*words, "--plugins", "own_plugin"]) == 0
    assert sod.load("own.ckpt", device="cpu").method.power == 3


def test_a_backbone_of_another_package(package: Path) -> None:
    with pytest.raises(SodError, match="timm has no model 'own-descriptor'"):
        build_backbone(BackboneConfig("own-descriptor"))
    load_plugins(["own_plugin"])
    images = torch.rand(1, 3, 32, 40)
    own = build_backbone(BackboneConfig("own-descriptor"))
    same = build_backbone(BackboneConfig("descriptor", extra_features=["contrast"]))
    assert torch.equal(own(images), same(images))


def test_mistakes_name_the_module(package: Path, errors: Errors) -> None:
    Path("needs.py").write_text("import no_such_package_at_all\n")
    Path("wrong.py").write_text("def (\n")
    for name, message in {
        "own_plugn": "there is no such module. Did you mean 'own_plugin'?",
        "needs": "needs the package no_such_package_at_all",
        "wrong": "cannot be imported",
    }.items():
        assert main(["test", "--plugins", name, "--model", "CentreBox"]) == 2
        assert f"--plugins {name}: {message}" in errors()


def test_installed_packages_announce_theirs(
    package: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "path", [str(package), *sys.path])
    found = {
        "sod.methods": [EntryPoint("own", f"own_plugin:{NAME}", "sod.methods")],
        "sod.refinements": [
            EntryPoint("flat", f"own_plugin:{NAME}.saliency", "sod.refinements"),
            EntryPoint("broken", "no_such_module:x", "sod.refinements"),
        ],
    }
    monkeypatch.setattr(plugins, "entry_points", lambda group: found.get(group, []))
    plugins._load_installed.cache_clear()
    load_plugins()
    assert NAME in {cls.__name__ for cls in known_methods()}
    assert parse_refinements("none,flat") == ["none", "flat"]
    text = capsys.readouterr().err
    assert text.count("\n") == 1
    assert "the plug-in broken of no_such_module:x is left out: ModuleNotFoundError" in text


def test_a_name_is_given_once() -> None:
    registry = Registry("thing", {"a": 1})
    registry.register("b", 2)
    registry.register("b", 2)
    with pytest.raises(SodError, match="thing 'a': the name is taken"):
        registry.register("a", 3)
    with pytest.raises(SodError, match=r"--x zzz: unknown\. Known: a, b"):
        registry.find("zzz", "--x")
    assert dict(registry) == {"a": 1, "b": 2}


@pytest.mark.parametrize(
    ("value", "modules"),
    [(None, []), ("a.b, c", ["a.b", "c"]), (["a", "b"], ["a", "b"]), ("['a', 'b']", ["a", "b"])],
)
def test_modules_are_a_list_or_text(value: object, modules: list[str]) -> None:
    assert split_modules(value) == modules
