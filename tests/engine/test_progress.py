from io import StringIO
from pathlib import Path

import pytest
from helpers.training_runs import arguments, unlabelled_scenes
from rich.console import Console

from sod.cli import app, main
from sod.engine.progress import StepProgress


def test_a_training_shows_steps_rest_loss_and_device(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = StringIO()
    console = Console(file=text, force_terminal=True, width=120, color_system=None)
    monkeypatch.setattr(app, "StepProgress", lambda: StepProgress(console))
    scenes = unlabelled_scenes(tmp_path / "own")
    shown = ["--trainer.enable_progress_bar=true", "--trainer.max_steps=3", "--data.val_images=0"]
    assert main(arguments(scenes, tmp_path / "run", "--data.batch_size=4", *shown)) == 0
    last = [line for line in text.getvalue().splitlines() if "training on cpu" in line][-1]
    assert "3/3 steps, left 00:00 loss 0." in last
    assert "Epoch" not in text.getvalue()
