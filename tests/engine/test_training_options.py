"""Options of training from the command line: precision, accumulation, patience, masking."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from helpers.device_cases import VIT
from helpers.training_runs import STEPS, arguments, losses, unlabelled_scenes, weights

from sod.cli import main
from sod.engine.checkpoint import read_checkpoint


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return unlabelled_scenes(tmp_path_factory.mktemp("scenes") / "own")


def test_mixed_precision_follows_full_precision(scenes: Path, tmp_path: Path) -> None:
    for precision in ("32-true", "bf16-mixed"):
        words = [*VIT, "--data.batch_size=4", f"--trainer.precision={precision}"]
        assert main(arguments(scenes, tmp_path / precision, *words)) == 0
    full, mixed = losses(tmp_path / "32-true"), losses(tmp_path / "bf16-mixed")
    assert mixed != full
    assert mixed == pytest.approx(full, abs=0.02)
    for name, value in weights(tmp_path / "bf16-mixed").items():
        assert torch.isfinite(value).all(), name
        assert value.dtype != torch.bfloat16, name


def test_accumulated_batches_equal_a_large_one(scenes: Path, tmp_path: Path) -> None:
    # Standardised features differ at first: the first half sees the statistics of itself alone.
    plain = "--model.standardise=false"
    whole = [plain, "--data.batch_size=4"]
    halves = [plain, "--data.batch_size=2", "--trainer.accumulate_grad_batches=2"]
    for name, words in (("whole", whole), ("halves", halves)):
        assert main(arguments(scenes, tmp_path / name, *words)) == 0
        assert read_checkpoint(tmp_path / name / "last.ckpt")["global_step"] == STEPS
    one, other = weights(tmp_path / "whole"), weights(tmp_path / "halves")
    for name in ("head.predict.weight", "head.predict.bias"):
        torch.testing.assert_close(other[name], one[name], atol=1e-6, rtol=1e-5)


def test_patience_ends_a_run_whose_score_does_not_rise(scenes: Path, tmp_path: Path) -> None:
    stuck = ["--data.batch_size=4", "--model.optimiser.lr=0", "--patience=2"]
    assert main(arguments(scenes, tmp_path, *stuck)) == 0
    # Looked at after steps 2, 4 and 6: the first is the best, two more are patience.
    assert read_checkpoint(tmp_path / "last.ckpt")["global_step"] == 6


def test_patience_needs_something_to_score(
    scenes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*arguments(scenes, tmp_path, "--patience=2"), "--data.val_images=0"]) == 2
    assert "--patience: nothing is scored" in capsys.readouterr().err


def test_masks_come_from_a_folder(scenes: Path, tmp_path: Path) -> None:
    for share in (0.0, 0.5):
        folder = tmp_path / f"masks{share}"
        folder.mkdir()
        mask = np.zeros((16, 16), np.uint8)
        mask[:, : int(16 * share)] = 255
        cv2.imwrite(str(folder / "mask.png"), mask)
        words = ["--model.masking.kind=folder", "--model.masking.folder", str(folder)]
        words += ["--data.batch_size=4", "--trainer.max_steps=3", "--model.zero_init=false"]
        assert main(arguments(scenes, tmp_path / str(share), *words)) == 0
    masked = losses(tmp_path / "0.0", "masked")
    assert masked == losses(tmp_path / "0.0", "segmenter")  # a black mask masks nothing
    assert losses(tmp_path / "0.0", "consistency") == [0.0] * 3
    assert losses(tmp_path / "0.5", "masked") != losses(tmp_path / "0.5", "segmenter")
    assert min(losses(tmp_path / "0.5", "consistency")) > 0


def test_a_folder_without_masks_is_named(
    scenes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--model.masking.kind=folder", "--model.masking.folder", str(tmp_path / "none")]
    assert main(arguments(scenes, tmp_path, *words)) == 2
    assert "masking.folder" in capsys.readouterr().err


def test_a_collapse_is_reported_and_restarts(scenes: Path, tmp_path: Path) -> None:
    # A guard for which every prediction is too small reports after steps 3 and 6.
    words = ["--data.batch_size=4", "--model.guard.low=1", "--model.guard.patience=3"]
    words += ["--model.initial_targets.when=collapse"]
    with pytest.warns(UserWarning, match="step 3: collapsed: .* restarting with a fresh head"):
        assert main(arguments(scenes, tmp_path / "restart", *words)) == 0
    assert int(weights(tmp_path / "restart")["started"]) == 6
    with pytest.warns(UserWarning, match=r"step 6: .* continuing, as guard\.action says"):
        assert main(arguments(scenes, tmp_path / "warn", *words, "--model.guard.action=warn")) == 0
    assert int(weights(tmp_path / "warn")["started"]) == -1
