"""Processes that fail: all of them end with the message of the first one, and soon."""

import os
import signal
import time
from pathlib import Path

import pytest
import torch.distributed as dist
from helpers.processes import TWO, start
from helpers.training_runs import arguments, unlabelled_scenes

from sod.core.errors import SodError
from sod.core.stopping import Interrupted
from sod.engine import peers
from sod.engine.checkpoint import read_checkpoint
from sod.engine.peers import Failure, Peers


def test_a_failure_is_raised_as_what_it_was() -> None:
    stopped = Failure(1, 143, "3 steps are saved").error()
    assert isinstance(stopped, Interrupted)
    assert str(stopped) == "stopped by SIGTERM: 3 steps are saved"
    assert str(Failure(1, 2, "a.png: is broken").error()) == "a.png: is broken (process 1)"
    dead = Failure(1, 1, "process 1 (pid 7) was killed by signal 9").error()
    assert isinstance(dead, SodError)
    assert str(dead) == "process 1 (pid 7) was killed by signal 9"


def test_a_process_that_has_left_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    store = dist.HashStore()
    for rank in (1, 0):
        monkeypatch.setattr(peers, "rank_and_world_size", lambda rank=rank: (rank, 2))
        monkeypatch.setattr(time, "sleep", lambda _: pytest.fail("it waits"))
        process = Peers()
        process._store = store  # type: ignore[assignment]
        process.leave()
    assert store.check(["sod/done/0", "sod/done/1"])


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return unlabelled_scenes(tmp_path_factory.mktemp("scenes") / "own")


def words(scenes: Path, out: Path) -> list[str]:
    return [*arguments(scenes, out, "--data.batch_size=2", "--trainer.max_steps=5000"), *TWO]


def ended(scenes: Path, place: Path, signum: signal.Signals) -> tuple[int, int, str]:
    """Start two processes, signal the second when steps are done; return its id, code, output."""
    run = start(words(scenes, place / "run"), place)
    try:
        while run.poll() is None and not (place / "run" / "last.ckpt").is_file():
            time.sleep(0.05)  # between two looks at a starting run
        children = Path(f"/proc/{run.pid}/task/{run.pid}/children").read_text().split()
        second = int(children[0])
        os.kill(second, signum)
        output, _ = run.communicate(timeout=300)
    finally:
        run.kill()
    assert not Path(f"/proc/{second}").exists()
    return second, run.returncode, output


linux = pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="reads /proc of Linux")


@linux
@pytest.mark.slow
def test_a_killed_process_ends_the_run_and_is_named(scenes: Path, tmp_path: Path) -> None:
    second, code, output = ended(scenes, tmp_path, signal.SIGKILL)
    assert code == 2
    assert f"error: process 1 (pid {second}) was killed by signal 9\n" in output
    assert "Traceback" not in output


@linux
@pytest.mark.slow
def test_sigterm_to_one_process_ends_both_with_a_checkpoint(scenes: Path, tmp_path: Path) -> None:
    _, code, output = ended(scenes, tmp_path, signal.SIGTERM)
    assert code == 143
    assert output.count("stopped by SIGTERM: ") == 2
    assert read_checkpoint(tmp_path / "run" / "last.ckpt")["global_step"] > 0


@pytest.mark.slow
def test_a_file_that_one_process_cannot_read_is_named_by_both(scenes: Path, tmp_path: Path) -> None:
    (unlabelled_scenes(tmp_path / "own") / "images" / "0004.png").write_bytes(b"no image")
    run = start([*words(tmp_path / "own", tmp_path / "run"), "--strict"], tmp_path)
    output, _ = run.communicate(timeout=300)
    assert run.returncode == 2
    assert output.count("error: ") == 2
    assert output.count("0004.png") == 2
    assert "Traceback" not in output
