"""The masked regions of PEEKABOO come from the workers of the loader."""

from pathlib import Path
from unittest.mock import patch

import pytest
from helpers.training_runs import arguments, losses, unlabelled_scenes

from sod.cli import main
from sod.data.masking import Masker
from sod.methods.peekaboo import Peekaboo


@pytest.mark.parametrize("workers", [0, pytest.param(2, marks=pytest.mark.slow)])
def test_the_training_process_draws_no_region_and_learns_the_same(
    workers: int, tmp_path: Path
) -> None:
    scenes = unlabelled_scenes(tmp_path / "scenes")
    words = ["--data.batch_size=4", f"--data.num_workers={workers}", "--trainer.max_steps=5"]
    with patch.object(Masker, "draw", autospec=True, side_effect=Masker.draw) as drawn:
        assert main(arguments(scenes, tmp_path / "loader", *words)) == 0
        names = [call.args[1] for call in drawn.call_args_list]
        assert all(len(batch) == 1 for batch in names)  # by the dataset, image by image
        assert len(names) == 0 if workers else len(names) >= 5 * 4
        with patch.object(Peekaboo, "prepare_training"):
            assert main(arguments(scenes, tmp_path / "method", *words)) == 0
        assert [len(call.args[1]) for call in drawn.call_args_list[len(names) :]] == [4] * 5
    assert losses(tmp_path / "loader") == losses(tmp_path / "method")
