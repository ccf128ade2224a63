"""Recipes: a tiny one runs from end to end; names and options are checked first."""

from collections.abc import Callable
from pathlib import Path

import pytest

from sod.cli import main
from sod.cli.recipes import RECIPES, Place, first_steps, last_steps
from sod.data.synthetic import write_scenes

Errors = Callable[[], str]
TINY = "--data.size=64 --data.batch_size=2 --data.val_images=2 --data.num_workers=0"
TINY += " --trainer.max_steps=2 --trainer.val_check_interval=1 --trainer.accelerator=cpu"


@pytest.mark.slow
@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_makes_a_model_with_a_card(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_scenes(tmp_path / "scenes", count=3, size=64, seed=3)
    scenes, out = str(tmp_path / "scenes"), tmp_path / "out"
    words = ["recipe", name, "--weights=null", "--train", scenes, "--test", scenes]
    assert main([*words, "--out", str(out), *TINY.split()]) == 0
    said = capsys.readouterr().out
    assert "any multiples of" in said
    card = (out / "model" / "model_card.md").read_text()
    assert RECIPES[name].backbone in card
    assert "| scenes | mean-max | bilateral |" in card
    assert "2 steps" in card
    photos = str(tmp_path / "scenes" / "images")
    model = str(out / "model" / "model.onnx")
    assert main(["predict", "--ckpt", model, "--source", photos, "--out", str(out / "cut")]) == 0


def test_backbones_without_published_features_are_tuned_first() -> None:
    place = Place(Path("out"), "data", "DUTS-TR", "", "hub")
    names = {
        name: [words[0] for words in first_steps(each, place, [])] for name, each in RECIPES.items()
    }
    assert names["dino-s16"] == names["dino-s8"] == ["fit"]
    assert names["dinov2-s14"] == names["dinov3-s16"] == ["tune", "fit"]
    assert [words[0] for words in last_steps(place, [])] == ["export"]


def test_recipes_are_listed_and_misspelt_ones_named(
    errors: Errors, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["recipe"]) == 0
    assert all(name in capsys.readouterr().out for name in ["dinov3-s16"])
    assert main(["recipe", "dino-s61"]) == 2
    assert "Did you mean 'dino-s16'?" in errors()
    assert main(["recipe", "dino-s16", "--tset", "ECSSD"]) == 2
    assert "unknown option '--tset'" in errors()
