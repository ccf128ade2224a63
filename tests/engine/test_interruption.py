"""A run that is stopped or killed goes on as if nothing had happened."""

import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.training_runs import arguments, unlabelled_scenes
from torture.compare import differences, leftovers

from sod.cli import main
from sod.engine.checkpoint import read_checkpoint
from sod.engine.processes import requeue_job
from sod.methods.peekaboo import Peekaboo

BATCH = "--data.batch_size=4"
Act = Callable[[], None]


class Killed(BaseException):
    """Stands for SIGKILL: nothing is written after it."""


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return unlabelled_scenes(tmp_path_factory.mktemp("scenes") / "own")


@pytest.fixture(scope="module")
def whole(scenes: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An undisturbed run: eight steps, validated after each second, never saved in between."""
    out = tmp_path_factory.mktemp("whole") / "run"
    assert main(arguments(scenes, out, BATCH, "--save_every=100")) == 0
    return out


def at_call(monkeypatch: pytest.MonkeyPatch, hook: str, number: int, act: Act) -> None:
    """Do something in a call of one of the method's hooks."""
    original, calls = getattr(Peekaboo, hook), 0

    def counted(self: Peekaboo, *args: Any) -> Any:  # noqa: ANN401
        nonlocal calls
        calls += 1
        if calls == number:
            act()
        return original(self, *args)

    monkeypatch.setattr(Peekaboo, hook, counted)


def kill() -> None:
    raise Killed


def terminate() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


@pytest.mark.parametrize(
    ("hook", "call", "step"),
    [("training_step", 3, 3), pytest.param("loss", 8, 8, marks=pytest.mark.slow)],
)
def test_sigterm_lets_the_step_end_and_the_same_command_goes_on(
    hook: str,
    call: int,
    step: int,
    scenes: Path,
    whole: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = arguments(scenes, tmp_path / "run", BATCH, "--save_every=100")
    at_call(monkeypatch, hook, call, terminate)
    assert main(words) == 143
    last = tmp_path / "run" / "last.ckpt"
    assert capsys.readouterr().err.splitlines()[-1] == (
        f"stopped by SIGTERM: {step} of 8 steps are done and saved in {last}. "
        f"The same command with --out {last.parent} goes on."
    )
    assert read_checkpoint(last)["global_step"] == step
    assert main(words) == 0
    assert list(differences(whole, last.parent)) == []
    assert leftovers(last.parent) == []


def test_a_finished_run_that_never_validated_has_no_step_left(scenes: Path, tmp_path: Path) -> None:
    words = arguments(scenes, tmp_path / "run", BATCH, "--data.val_images=0")
    assert main(words) == 0
    shutil.copytree(tmp_path / "run", tmp_path / "first")
    assert main(words) == 0
    assert list(differences(tmp_path / "first", tmp_path / "run")) == []


@pytest.mark.parametrize(
    ("call", "act", "code"),
    [  # the first two calls check the program
        (2 + 8, kill, None),
        pytest.param(2 + 3, kill, None, marks=pytest.mark.slow),
        pytest.param(2 + 3, terminate, 143, marks=pytest.mark.slow),
    ],
)
def test_a_validation_that_was_cut_off_is_run_again(
    call: int,
    act: Act,
    code: int | None,
    scenes: Path,
    whole: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    words = arguments(scenes, tmp_path / "run", BATCH, "--save_every=100")
    at_call(monkeypatch, "validation_step", call, act)
    if code is None:
        with pytest.raises(Killed):
            main(words)
    else:
        assert main(words) == code
    assert main(words) == 0
    assert list(differences(whole, tmp_path / "run")) == []


def test_a_better_best_checkpoint_is_kept_though_its_score_was_not_noted(
    scenes: Path, tmp_path: Path
) -> None:
    words = arguments(scenes, tmp_path, BATCH)
    assert main([*words, "--trainer.max_steps=2"]) == 0
    content = read_checkpoint(tmp_path / "best.ckpt")
    assert content["best"]["step"] == 2
    content["best"] |= {"step": 6, "value": 2.0}  # as if killed right after this was written
    torch.save(content, tmp_path / "best.ckpt")
    better = (tmp_path / "best.ckpt").read_bytes()
    assert main([*words, "--trainer.max_steps=4"]) == 0
    assert (tmp_path / "best.ckpt").read_bytes() == better


def test_slurms_signal_requeues_the_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert requeue_job() == ""
    scontrol = tmp_path / "scontrol"
    scontrol.write_text(f"#!/bin/sh\necho $@ > {tmp_path}/asked\n")
    scontrol.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setenv("SLURM_JOB_ID", "17")
    assert requeue_job() == " Job 17 is in the queue again."
    assert (tmp_path / "asked").read_text() == "requeue 17\n"
    scontrol.write_text("#!/bin/sh\necho no such job >&2\nexit 1\n")
    assert requeue_job() == " Job 17 was not requeued: no such job."


def test_a_pending_validation_takes_no_step_if_its_images_are_gone(
    scenes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = arguments(scenes, tmp_path / "run", BATCH, "--save_every=100")
    with monkeypatch.context() as patched:
        at_call(patched, "validation_step", 2 + 8, kill)
        with pytest.raises(Killed):
            main(words)
    last = tmp_path / "run" / "last.ckpt"
    assert main([*words, "--data.val_images=0", "--ckpt", str(last)]) == 0
    assert read_checkpoint(last)["global_step"] == 8
