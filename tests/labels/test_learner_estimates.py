"""Learners that select their pseudo-masks by estimates, from the command line."""

import json
from pathlib import Path

import pytest
from helpers.places import CONFIGS

from sod.cli import main
from sod.data.synthetic import write_scenes

Captured = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scenes") / "own"
    write_scenes(folder, count=4, size=48, seed=3)
    return folder


def words(scenes: Path, out: Path, *more: str) -> list[str]:
    return [
        *("fit", *more, f"--data.train={scenes}", f"--out={out}", "--data.num_workers=0"),
        *("--data.size=48", "--data.batch_size=2", "--data.val_images=0"),
        *("--trainer.max_steps=1", "--trainer.val_check_interval=null"),
        *("--trainer.accelerator=cpu", "--trainer.enable_model_summary=false"),
        f"--model.labels.teacher={CONFIGS / 'centre_box.yaml'}",
        "--model.labels.selection.score=held_out",
    ]


@pytest.mark.usefixtures("one_thread")
def test_estimates_are_kept_in_the_folder_of_the_run(
    scenes: Path, tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "run"
    connnet = ["--config", str(CONFIGS / "connnet.yaml"), "--model.backbone.name=descriptor"]
    options = words(scenes, out, *connnet, "--model.backbone.weights=null")
    assert main(options) == 0
    assert "2 of 4 pseudo-masks" in capsys.readouterr().out
    scores = json.loads((out / "estimates.json").read_text())["scores"]
    assert list(scores) == ["0000", "0001", "0002", "0003"]
    assert all(0 <= score <= 1 for score in scores.values())
    monkeypatch.setattr("sod.labels.learner.estimated", None)  # not computed again
    assert main([*options, "--overwrite"]) == 0


def test_a_method_without_frozen_features_refuses_them(
    scenes: Path, tmp_path: Path, capsys: Captured
) -> None:
    assert main(words(scenes, tmp_path / "run", "--model=Student")) == 2
    error = capsys.readouterr().err
    assert "labels.selection.score: held_out needs the features of a frozen backbone" in error
    assert not (tmp_path / "run").exists()
