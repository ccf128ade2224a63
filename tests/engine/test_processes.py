"""Several processes that train without --out: one folder, however they are started."""

from collections.abc import Callable
from pathlib import Path

import pytest
from helpers.processes import SLURM_JOB, TWO, finished, slurm, start, torchrun
from helpers.training_runs import arguments, logged, unlabelled_scenes

from sod.cli import main
from sod.engine.checkpoint import read_checkpoint

SHORT = ["--trainer.max_steps=2", "--data.batch_size=2", "--data.val_images=1"]


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return unlabelled_scenes(tmp_path_factory.mktemp("scenes") / "own")


def only_run(folder: Path) -> Path:
    """Return the run in ``folder / runs``, which must be the first and only one."""
    assert [str(p.relative_to(folder)) for p in folder.glob("runs/*/*")] == ["runs/Peekaboo/0"]
    run = folder / "runs" / "Peekaboo" / "0"
    for name in ("config.yaml", "last.ckpt", "best.ckpt"):
        assert (run / name).is_file()
    assert read_checkpoint(run / "last.ckpt")["global_step"] == 2
    return run


@pytest.mark.slow
def test_processes_of_every_launcher_share_one_folder_and_results(
    scenes: Path, tmp_path: Path
) -> None:
    places = [tmp_path / name for name in ("lightning", "torchrun", "slurm")]
    for place in places:
        place.mkdir()
    # One validation image for two processes: one of them has none.
    words = arguments(scenes, None, *SHORT)
    outputs = [
        finished(start([*words, *TWO], places[0]))[0],
        torchrun(words, places[1]),
        "".join(slurm(words, places[2])),
    ]
    lightning, elastic, cluster = (logged(only_run(place)) for place in places)
    assert lightning == elastic == cluster
    assert lightning["val/score"]
    for output in outputs:
        assert output.count("4 images per optimiser step: 2 processes x 2") == 1
        assert output.count("checkpoints and log in runs/Peekaboo/0") == 1


@pytest.mark.parametrize(
    ("lacking", "words", "message"),
    [
        (None, ["--trainer.devices=1"], "trainer.devices: 1 on 1 nodes, but the launcher started"),
        ("SLURM_NTASKS_PER_NODE", [], "Use `--ntasks-per-node=2` instead"),
    ],
)
def test_a_launcher_that_does_not_suit_is_one_line(
    lacking: str | None,
    words: list[str],
    message: str,
    scenes: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    errors: Callable[[], str],
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, value in SLURM_JOB.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("SLURM_PROCID", "0")
    if lacking is not None:
        monkeypatch.delenv(lacking)
    assert main([*arguments(scenes, None, *SHORT), *words]) == 2
    assert message in errors()
    assert not (tmp_path / "runs").exists()


TOGETHER = ["--data.train=builtin-2-16", "--data.batch_size_per=step", "--data.batch_size=5"]
TOGETHER += ["--trainer.accumulate_grad_batches=2"]
STUDENT = '--model.students=[{"name": "a", "batch_size": 3}]'


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--model=Generations"], "data.train: no dataset named"),
        (["--model=Peekaboo"], "data.train: no dataset named"),
        (["--model=Peekaboo", "--data.train=nothing"], "unknown dataset 'nothing'"),
        (["--model=Peekaboo", "--data.train=builtin-2-16", "--data.val=nothing"], "'nothing'"),
        (["--model=Peekaboo", *TOGETHER], "data.batch_size: 5 images"),
        (
            ["--model=Generations", *TOGETHER, "--data.batch_size=4", STUDENT],
            "data.batch_size: 3 images",
        ),
    ],
)
def test_mistakes_are_found_before_anything_is_written(
    words: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    errors: Callable[[], str],
) -> None:
    monkeypatch.chdir(tmp_path)
    free = ["--model.backbone.name=descriptor", "--model.backbone.weights=null"]
    out = ["--data.root", str(tmp_path / "data"), "--trainer.accelerator=cpu"]
    assert main(["fit", *words, *free, *out]) == 2
    assert message in errors()
    assert not (tmp_path / "runs").exists()
