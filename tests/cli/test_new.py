"""`sod new method`: what it writes runs, and passes the contract of methods."""

import gc
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sod.cli import main
from sod.engine import plugins

Errors = Callable[[], str]


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(plugins.VARIABLE, "")
    monkeypatch.setattr(sys, "path", list(sys.path))
    assert main(["new", "method", "Fresh-idea"]) == 0
    monkeypatch.chdir(tmp_path / "fresh_idea")
    yield tmp_path / "fresh_idea"
    sys.modules.pop("fresh_idea", None)
    gc.collect()


def test_the_method_trains_and_predicts(written: Path) -> None:
    words = ["fit", "--config", "fresh_idea.yaml", "--data.train", "builtin-2-48"]
    words += ["--data.root", "data", "--trainer.max_steps=2", "--trainer.val_check_interval=1"]
    words += ["--data.batch_size=1", "--data.size=32", "--out", "run"]
    assert main(words) == 0
    assert Path("run/best.ckpt").is_file()
    images = next(Path("data").glob("*/images"))
    words = ["predict", "--ckpt", "run/last.ckpt", "--plugins", "fresh_idea"]
    assert main([*words, "--source", str(images), "--output", "map", "--out", "cut"]) == 0
    assert len(list(Path("cut/map").glob("*.png"))) == 2


def test_nothing_is_overwritten(written: Path, errors: Errors) -> None:
    for name, message in {
        "fresh idea": "exists; give another folder",
        "class": "give letters, digits and underscores",
        "2d": "give letters, digits and underscores",
    }.items():
        assert main(["new", "method", name, "."]) == 2
        assert message in errors()
    assert main(["new", "methd", "x"]) == 2
    assert "invalid choice: 'methd'" in errors()


@pytest.mark.slow
def test_the_written_tests_pass(written: Path) -> None:
    words = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run(words, capture_output=True, text=True, check=False, cwd=written)
    assert done.returncode == 0, done.stdout
    assert " passed" in done.stdout
