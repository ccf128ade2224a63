"""`sod tune` and the use of its answer."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from sod.cli import main
from sod.cli.app import assemble
from sod.cli.catalogue import COMMANDS
from sod.data.synthetic import write_scenes
from sod.labels.teachers import build_teacher
from sod.spectral.masks import MasksConfig
from sod.tuning.choices import Choices, HeadChoice
from sod.tuning.inference import Inference
from sod.tuning.rating import Rating

TUNED = """tuned:
  backbone: {name: test_vit, weights: null, facet: value, block: 2, pos_embed: timm}
  tau: 0.35
  extra_features: [token.4]
  propagate: 0.5
  scales: [1.5]
  masks: {clean_up: true}
"""
MASKS = MasksConfig()
FREE = ["--model.backbone.name=test_vit", "--model.backbone.weights=null"]


def tune(folder: Path, *options: str) -> int:
    scenes = folder / "scenes"
    if not scenes.is_dir():
        write_scenes(scenes, count=3, size=64, seed=3)
    out = ["--out", str(folder / "out"), "--data.train", str(scenes), "--images", "3"]
    return main(["tune", *FREE, *out, "--taus", "0.2,0.4", *options])


def test_a_tuning_writes_its_choice_and_continues(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.manual_seed(0)  # random weights
    assert tune(tmp_path) == 0
    out = tmp_path / "out"
    lines = (out / "scores.csv").read_text().splitlines()
    assert len(lines) == 1 + 6 * 4 * 2
    facet, block, tau = lines[1].split(",")[:3]
    content = yaml.safe_load((out / "tuned.yaml").read_text())["tuned"]
    assert content["tau"] == float(tau)
    assert (content["backbone"]["facet"], content["backbone"]["block"]) == (facet, int(block))
    said = capsys.readouterr().out
    assert f"{facet} features of block {block}" in said
    rows = [line.split(",") for line in (out / "choices.csv").read_text().splitlines()]
    extras = {row[2]: float(row[3]) for row in rows if row[0] == "extra_features"}
    assert len(extras) > 3
    assert "Extra features for heads: none" in said or content["extra_features"]
    assert content["scales"] in ([1.0], [1.5], [1.0, 1.5])
    assert {row[2] for row in rows if row[0] == "masks"} > {"the cut alone", "clean-up"}
    for name in ("scores.png", "cuts.png"):
        with Image.open(out / name) as picture:
            assert np.asarray(picture.convert("L")).std() > 5

    def refuse(*_: object) -> None:
        raise AssertionError("an image was cut again")

    monkeypatch.setattr("sod.tuning.store.cut_image", refuse)
    torch.manual_seed(0)
    assert tune(tmp_path) == 0
    assert (out / "scores.csv").read_text().splitlines() == lines


def test_cuts_of_other_weights_are_not_mixed(
    tmp_path: Path, errors: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "out" / "cuts").mkdir(parents=True)
    (tmp_path / "out" / "cuts" / "settings.json").write_text("{}")
    assert tune(tmp_path) == 2
    assert "holds the cuts of another backbone" in errors()


def test_unreadable_images_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_scenes(tmp_path / "scenes", count=2, size=64, seed=3)
    (next((tmp_path / "scenes" / "images").iterdir()).parent / "zzz.png").write_bytes(b"no image")
    assert tune(tmp_path) == 1
    assert "zzz.png" in capsys.readouterr().out


def test_the_better_of_two_backbones_is_chosen(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    scores = {"test_vit": 0.4, "descriptor": 0.6}

    def choice(rating: Rating, *_: object) -> HeadChoice:
        return HeadChoice(rating.config, "none", {"none": scores[rating.config.name]}, [])

    chosen = Choices([], Inference((1.0,), 0.0), {Inference((1.0,), 0.0): 0.5}, "", MASKS, {"": 0})
    monkeypatch.setattr("sod.tuning.choices.choose_extras", choice)
    monkeypatch.setattr("sod.tuning.choices.choose_inference", lambda *_: chosen[1:3])
    monkeypatch.setattr("sod.tuning.choices.score_options", lambda *_: {"the cut alone": 0.5})
    assert tune(tmp_path, "--second.name=descriptor", "--second.weights=null") == 0
    assert "Backbone: descriptor, 0.600; test_vit: 0.400." in capsys.readouterr().out
    content = yaml.safe_load((tmp_path / "out" / "tuned.yaml").read_text())["tuned"]
    assert content["backbone"]["name"] == "descriptor"
    assert content["extra_features"] == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--second.name=descriptor", "--heads", "false"], "leave out --heads false"),
        (["--taus", "0.2,x"], "--taus 0.2,x: expected numbers"),
        (["--taus", "1"], "in [-1, 1)"),
        (["--images", "1"], "at least 2"),
        (["--device", "gpu"], "device 'gpu'"),
        (["--model.backbone.name=inception_v3"], "gives no dense features here"),
    ],
)
def test_mistakes_are_one_line(
    tmp_path: Path, options: list[str], message: str, errors: Callable[[], str]
) -> None:
    assert tune(tmp_path, *options) == 2
    assert message in errors()


def test_every_method_takes_its_part_of_the_choice(tmp_path: Path) -> None:
    file = tmp_path / "tuned.yaml"
    file.write_text(TUNED)

    def arguments(config: str) -> dict[str, object]:
        words = ["--config", config, "--config", str(file)]
        return assemble(COMMANDS["test"], words).method.arguments()

    for config in ("tokencut", "peekaboo_plus", "connnet", "generations"):
        found = arguments(config)
        backbone = found["backbone"]
        assert (backbone["facet"], backbone["block"]) == ("value", 2)
        assert backbone["extra_features"] == ([] if config == "tokencut" else ["token.4"])
        place = {"peekaboo_plus": "initial_targets", "connnet": "labels"}.get(config)
        assert (found[place] if place else found)["tau"] == 0.35
        if config in ("tokencut", "connnet"):
            assert (found[place] if place else found)["masks"]["clean_up"] is True
        if config == "peekaboo_plus":
            assert found["initial_targets"]["clean_up"] is True
            assert found["inference"]["propagate"] == 0.5
            assert list(found["inference"]["scales"]) == [1.5]
    teacher = build_teacher(f"tokencut+{file}")
    assert teacher.arguments()["tau"] == 0.35


def test_misuse_of_the_choice_is_named(tmp_path: Path, errors: Callable[[], str]) -> None:
    file = tmp_path / "tuned.yaml"
    file.write_text(TUNED)
    assert main(["test", "--config", str(file)]) == 2
    assert "names no method" in errors()
    assert main(["test", "--config", "centre_box", "--config", str(file)]) == 2
    assert "CentreBox takes no tuned descriptor" in errors()
    file.write_text(TUNED.replace("tau:", "taus:"))
    assert main(["test", "--config", "tokencut", "--config", str(file)]) == 2
    assert "unknown key 'tuned.taus'. Did you mean 'tau'?" in errors()
