"""Validation with masks: its measures, what it selects, and that nobody else opens a mask."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from helpers.training_runs import STEPS, arguments, logged, unlabelled_scenes, weights

from sod.cli import main
from sod.data.synthetic import write_scenes
from sod.engine.checkpoint import read_checkpoint

NAMES = {"val_masks/iou", "val_masks/max_f", "val_masks/mae"}


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return unlabelled_scenes(tmp_path_factory.mktemp("scenes") / "own")


@pytest.fixture(scope="module")
def split(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("split") / "val"
    write_scenes(folder, count=3, size=64, seed=8)
    return folder


def words(scenes: Path, out: Path, split: Path, *more: str) -> list[str]:
    return arguments(scenes, out, "--data.batch_size=4", "--data.val", str(split), *more)


def test_a_named_split_is_validated_without_its_masks(scenes: Path, tmp_path: Path) -> None:
    assert main(words(scenes, tmp_path, scenes)) == 0  # its masks cannot be read
    assert not NAMES & set(logged(tmp_path))
    assert len(logged(tmp_path)["val/score"]) == STEPS // 2


def test_unreadable_masks_are_named_where_they_are_asked_for(
    scenes: Path, tmp_path: Path, errors: Callable[[], str]
) -> None:
    assert main(words(scenes, tmp_path, scenes, "--data.val_masks=true")) == 2
    assert f"{scenes / 'masks' / '0000.png'}: " in errors()


def test_the_measures_are_those_of_evaluate_and_select_on_request(
    scenes: Path, split: Path, tmp_path: Path
) -> None:
    plain, selecting = tmp_path / "plain", tmp_path / "selecting"
    masks = "--data.val_masks=true"
    assert main(words(scenes, tmp_path / "none", split)) == 0
    assert main(words(scenes, plain, split, masks)) == 0
    assert main(words(scenes, selecting, split, masks, "--best=val_masks/mae")) == 0
    # The masks change neither the training nor the checkpoint that is selected.
    for name in ("last.ckpt", "best.ckpt"):
        expected = read_checkpoint(tmp_path / "none" / name)["state_dict"]
        for key, value in read_checkpoint(plain / name)["state_dict"].items():
            assert torch.equal(value, expected[key]), key
    assert all(torch.equal(v, weights(selecting)[k]) for k, v in weights(plain).items())
    curves = logged(plain, "val_masks/")
    assert set(curves) == NAMES
    assert curves == logged(selecting, "val_masks/")
    lowest = min(curves["val_masks/mae"])
    assert measured(plain / "last.ckpt", split, tmp_path) == pytest.approx(
        {name: values[-1] for name, values in curves.items()}, abs=1e-6
    )
    best = measured(selecting / "best.ckpt", split, tmp_path)
    assert best["val_masks/mae"] == pytest.approx(lowest, abs=1e-6)


def measured(checkpoint: Path, split: Path, place: Path) -> dict[str, float]:
    """Return what `evaluate` says of a checkpoint, by the names that validation logs."""
    words = [f"--ckpt={checkpoint}", f"--data.test={split}", f"--out={place / 'measured'}"]
    words += ["--data.num_workers=0", "--pictures=false", "--resamples=0"]
    assert main(["evaluate", *words]) == 0
    (row,) = json.loads((place / "measured" / "metrics.json").read_text())
    return {name: row[name.removeprefix("val_masks/")] for name in NAMES}


def test_patience_follows_the_selecting_measure(scenes: Path, split: Path, tmp_path: Path) -> None:
    stuck = ["--model.optimiser.lr=0", "--patience=2", "--data.val_masks=true"]
    assert main(words(scenes, tmp_path, split, *stuck, "--best=val_masks/iou")) == 0
    assert read_checkpoint(tmp_path / "last.ckpt")["global_step"] == 6
    content = read_checkpoint(tmp_path / "last.ckpt")
    assert any("val_masks/iou" in name for name in content["callbacks"])


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--best=val_masks/iou"], "--best val_masks/iou: needs masks"),
        (["--best=val_masks/io"], "Did you mean 'val_masks/iou'?"),
    ],
)
def test_a_figure_that_is_not_measured_is_named(
    more: list[str], message: str, scenes: Path, tmp_path: Path, errors: Callable[[], str]
) -> None:
    assert main(arguments(scenes, tmp_path / "out", *more)) == 2
    assert message in errors()
    assert not (tmp_path / "out").exists()
