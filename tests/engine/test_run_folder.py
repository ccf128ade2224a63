"""What a training does with a folder that holds a run."""

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from helpers.training_runs import arguments, points, unlabelled_scenes
from torture.compare import differences

from sod.cli import main
from sod.engine.checkpoint import read_checkpoint

STEP = ["--model.optimiser.schedule=step", "--model.optimiser.step_size=3"]


def words(scenes: Path, out: Path, *more: str) -> list[str]:
    return arguments(
        scenes, out, "--data.batch_size=4", "--trainer.enable_model_summary=false", *more
    )


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return unlabelled_scenes(tmp_path_factory.mktemp("scenes") / "own")


@pytest.fixture(scope="module")
def whole(scenes: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight steps, of three in an epoch, with rates that do not depend on the length."""
    out = tmp_path_factory.mktemp("whole") / "run"
    assert main(words(scenes, out, *STEP)) == 0
    return out


@pytest.mark.parametrize("steps", [2, pytest.param(3, marks=pytest.mark.slow)])  # an epoch has 3
def test_a_run_that_is_extended_equals_a_long_one(
    steps: int, scenes: Path, whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    short = words(scenes, tmp_path / "run", *STEP, f"--trainer.max_steps={steps}")
    assert main(short) == 0
    assert main(words(scenes, tmp_path / "run", *STEP)) == 0
    assert list(differences(whole, tmp_path / "run")) == []
    capsys.readouterr()
    before = (tmp_path / "run" / "last.ckpt").read_bytes()
    assert main(words(scenes, tmp_path / "run", *STEP)) == 0
    assert f"nothing to do: 8 steps of {tmp_path / 'run'} were done" in capsys.readouterr().out
    assert (tmp_path / "run" / "last.ckpt").read_bytes() == before


def test_a_cosine_is_stretched_and_a_line_says_so(
    scenes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for steps in (4, 8):
        assert main(words(scenes, tmp_path, f"--trainer.max_steps={steps}")) == 0
    assert "falls to zero over 8 steps now, no longer over 4" in capsys.readouterr().out
    rates = [rate for _, rate in points(tmp_path, "lr")["lr-AdamW"]]
    assert rates[4:] == pytest.approx([0.01, 0.00617317, 0.00292893, 0.00076120], abs=1e-6)


def test_another_configuration_is_refused_unless_it_replaces_the_run(
    scenes: Path, whole: Path, errors: Callable[[], str], capsys: pytest.CaptureFixture[str]
) -> None:
    before = {path: path.read_bytes() for path in whole.rglob("*") if path.is_file()}
    other = words(scenes, whole, *STEP, "--model.optimiser.lr=0.5", "--trainer.precision=64")
    capsys.readouterr()
    assert main(other) == 2
    message = errors()
    assert (
        "holds a run of another configuration (model.optimiser.lr is 0.02 there, 0.5 here"
        in message
    )
    assert "trainer.precision" in message
    assert {path: path.read_bytes() for path in whole.rglob("*") if path.is_file()} == before
    own = whole / "last.ckpt"
    assert main([*other, "--overwrite", "--ckpt", str(own)]) == 2
    assert "would remove --ckpt" in errors()


def test_a_run_from_before_an_option_goes_on_with_its_default(
    scenes: Path, tmp_path: Path, errors: Callable[[], str]
) -> None:
    assert main(words(scenes, tmp_path, "--trainer.max_steps=1")) == 0
    config = tmp_path / "config.yaml"
    earlier = yaml.safe_load(config.read_text())
    del earlier["data"]["augmentation"]["blur"], earlier["model"]["init_args"]["guard"]
    config.write_text(yaml.safe_dump(earlier))
    blurred = words(scenes, tmp_path, "--trainer.max_steps=2", "--data.augmentation.blur=0.5")
    assert main(blurred) == 2
    assert "(data.augmentation.blur is 0.0 there, 0.5 here)" in errors()
    assert main(words(scenes, tmp_path, "--trainer.max_steps=2")) == 0
    assert read_checkpoint(str(tmp_path / "last.ckpt"))["global_step"] == 2
    assert yaml.safe_load(config.read_text())["data"]["augmentation"]["blur"] == 0.0


def test_the_written_configuration_keeps_a_null_that_is_no_default(
    scenes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words(scenes, tmp_path, "--trainer.max_steps=1")) == 0
    written = yaml.safe_load((tmp_path / "config.yaml").read_text())
    assert written["model"]["init_args"]["initial_targets"]["steps"] is None
    capsys.readouterr()
    again = ["fit", f"--config={tmp_path / 'config.yaml'}", f"--out={tmp_path}"]
    assert main(again) == 0
    assert "nothing to do: 1 step" in capsys.readouterr().out


@pytest.mark.slow
def test_overwriting_leaves_nothing_of_the_old_run(scenes: Path, tmp_path: Path) -> None:
    assert main(words(scenes, tmp_path, "--trainer.max_steps=2")) == 0
    (tmp_path / "note.txt").write_text("mine")
    again = ["--trainer.max_steps=1", "--data.val_images=0", "--seed_everything=1"]
    assert main([*words(scenes, tmp_path, *again), "--overwrite"]) == 0
    assert read_checkpoint(tmp_path / "last.ckpt")["global_step"] == 1
    assert not (tmp_path / "best.ckpt").exists()
    assert len(list((tmp_path / "tensorboard").glob("events*"))) == 1
    assert (tmp_path / "note.txt").read_text() == "mine"


def test_short_runs_are_logged_with_rates_and_readable_arguments(
    scenes: Path, tmp_path: Path
) -> None:
    short = ["--trainer.max_steps=3", "--trainer.log_every_n_steps=null", "--data.val_images=0"]
    assert main(words(scenes, tmp_path, *short)) == 0
    logged = points(tmp_path)
    for name in ("train/loss", "lr-AdamW"):
        assert [step for step, _ in logged[name]] == [0, 1, 2]
    hparams = yaml.safe_load((tmp_path / "tensorboard" / "hparams.yaml").read_text())
    assert hparams["optimiser"]["lr"] == 0.02


def test_fewer_images_than_a_batch_are_counted(
    scenes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    many = ["--data.batch_size=50", "--trainer.accumulate_grad_batches=3"]
    assert main([*words(scenes, tmp_path, "--trainer.max_steps=1"), *many]) == 0
    line = capsys.readouterr().out.splitlines()[0]
    assert line.startswith("12 images per optimiser step: 1 processes x 12 x 1 accumulated, all")
    assert "data.batch_size is 50" in line


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("--model.optimiser.lr=-1", "optimiser.lr: -1.0 is not a number from 0 on"),
        ("--model.optimiser.weight_decay=-1", "optimiser.weight_decay: -1.0"),
        ("--data.size=7", "data.size: 7 pixels are less than a patch of the backbone, 8 pixels"),
        ("--data.eval_batch_size=0", "data.eval_batch_size: 0 is not at least 1"),
        ("--save_every=0", "--save_every: 0 is not at least 1"),
        ("--grids_every=0", "--grids_every: 0 is not at least 1"),
        ("--trainer.devices=0", "trainer: `Trainer(devices='0')`"),
    ],
)
def test_values_that_cannot_be_used_are_one_line(
    option: str, message: str, scenes: Path, tmp_path: Path, errors: Callable[[], str]
) -> None:
    assert main([*words(scenes, tmp_path), option]) == 2
    assert errors().startswith(f"error: {message}")
