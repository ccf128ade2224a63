"""Training from the command line: exact resuming, several processes, and no mask ever opened."""

from pathlib import Path

import pytest
import torch
from helpers.forks import in_two_processes, kill_when
from helpers.training_runs import STEPS, arguments, logged, losses, unlabelled_scenes, weights

from sod.cli import main
from sod.data.synthetic import write_scenes
from sod.engine.checkpoint import read_checkpoint


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return unlabelled_scenes(tmp_path_factory.mktemp("scenes") / "own")


@pytest.fixture(scope="module")
def whole(scenes: Path, one_thread: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An uninterrupted run; its masks are unreadable, so it has not read them."""
    out = tmp_path_factory.mktemp("whole")
    assert main(arguments(scenes, out, "--data.batch_size=4")) == 0
    return out


def test_a_run_leaves_its_files(whole: Path) -> None:
    for name in ["config.yaml", "best.ckpt", "last.ckpt"]:
        assert (whole / name).is_file()
    assert read_checkpoint(whole / "last.ckpt")["global_step"] == STEPS
    assert len(losses(whole)) == STEPS
    assert losses(whole)[-1] < losses(whole)[0]


def test_checkpoints_hold_the_head_and_the_backbones_checksum_only(whole: Path) -> None:
    content = read_checkpoint(whole / "best.ckpt")
    assert not any(name.startswith("backbone.") for name in content["state_dict"])
    assert "optimizer_states" not in content
    assert (whole / "best.ckpt").stat().st_size < 100_000


def test_the_same_seed_gives_the_same_weights_for_any_number_of_workers(
    scenes: Path, whole: Path, tmp_path: Path
) -> None:
    words = arguments(scenes, tmp_path, "--data.batch_size=4", "--data.num_workers=2")
    assert main(words) == 0
    again = weights(tmp_path)
    assert all(torch.equal(value, again[name]) for name, value in weights(whole).items())
    assert main([*words, "--overwrite", "--seed_everything=1", "--data.seed=1"]) == 0
    other = weights(tmp_path)
    assert not all(torch.equal(value, other[name]) for name, value in again.items())


def reached(path: Path, step: int) -> bool:
    return path.is_file() and read_checkpoint(path)["global_step"] >= step


@pytest.mark.parametrize("step", [2, 4])
def test_killed_and_resumed_equals_uninterrupted(
    scenes: Path, whole: Path, tmp_path: Path, step: int
) -> None:
    words = arguments(scenes, tmp_path, "--data.batch_size=4")
    last = tmp_path / "last.ckpt"
    kill_when(words, tmp_path.with_suffix(".log"), lambda: reached(last, step))
    assert read_checkpoint(tmp_path / "last.ckpt")["global_step"] < STEPS
    assert main([*words, "--ckpt", str(tmp_path / "last.ckpt")]) == 0
    resumed = weights(tmp_path)
    assert all(torch.equal(value, resumed[name]) for name, value in weights(whole).items())


def test_two_processes_equal_one_of_the_same_effective_batch(scenes: Path, tmp_path: Path) -> None:
    more = ["--data.batch_size=4", "--data.batch_size_per=step", "--model.initial_targets.steps=4"]
    more += ["--data.val_images=3"]  # two of one process, one of the other
    assert main(arguments(scenes, tmp_path / "one", *more)) == 0
    text = in_two_processes(arguments(scenes, tmp_path / "both", *more), tmp_path / "log")
    assert "4 images per optimiser step: 2 processes x 2 x 1 accumulated" in text
    one, both = (logged(tmp_path / name, ("train/", "val/")) for name in ("one", "both"))
    assert set(one) == set(both)
    assert "val/score" in one
    assert {"train/loss", "train/segmenter", "train/masked", "train/sharpen"} <= set(one)
    for name, values in one.items():
        assert both[name] == pytest.approx(values, abs=1e-4), name


def test_weights_start_a_fine_tuning_on_other_images(
    scenes: Path, whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = arguments(scenes / "images", tmp_path, "--data.batch_size=4")
    assert main([*words, "--ckpt", str(whole / "last.ckpt")]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "starting from the weights of" in text
    assert read_checkpoint(tmp_path / "last.ckpt")["global_step"] == STEPS
    assert losses(tmp_path)[0] < losses(whole)[0]


def test_a_checkpoint_evaluates_and_predicts_by_itself(whole: Path, tmp_path: Path) -> None:
    write_scenes(tmp_path / "test", count=2, size=64, seed=6)
    data = ["--data.test", str(tmp_path / "test"), "--data.num_workers=0"]
    checkpoint = ["--ckpt", str(whole / "best.ckpt")]
    assert (
        main(["evaluate", *checkpoint, *data, "--resamples=0", "--out", str(tmp_path / "out")]) == 0
    )
    source = ["--source", str(tmp_path / "test" / "images"), "--out", str(tmp_path / "cut")]
    assert main(["predict", *checkpoint, *source]) == 0
    assert len(list((tmp_path / "cut" / "map").iterdir())) == 2


def test_a_loss_that_is_not_finite_stops_before_the_step(
    scenes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = arguments(scenes, tmp_path, "--data.batch_size=4", "--model.optimiser.lr=3e37")
    assert main(words) == 2
    assert "is not finite" in capsys.readouterr().err
    if (tmp_path / "last.ckpt").exists():
        assert read_checkpoint(tmp_path / "last.ckpt")["global_step"] < STEPS
