"""Errors that nobody foresaw, numbers that are none, and values out of range."""

from pathlib import Path

import pytest
from helpers.places import CONFIGS

import sod.methods  # noqa: F401 - defines the methods
from sod.cli import main
from sod.methods.tokencut import TokenCut

Captured = pytest.CaptureFixture[str]
DEMO = ["test", "--config", str(CONFIGS / "demo.yaml"), "--data.test", "builtin-2-32"]


@pytest.fixture(autouse=True)
def in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))


@pytest.mark.parametrize("debug", ["0", "1"])
def test_an_unforeseen_error_is_one_line_and_a_log_file(
    debug: str, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise ZeroDivisionError("nobody\nforesaw [this]")

    monkeypatch.setattr(TokenCut, "saliency", fails)
    monkeypatch.setenv("SOD_DEBUG", debug)
    assert main([*DEMO, "--data.root", "data", "--data.num_workers=0"]) == 3
    shown = capsys.readouterr().err
    (line,) = [line for line in shown.splitlines() if line.startswith("error: ")]
    assert line.startswith("error: unexpected ZeroDivisionError: nobody\\nforesaw [this] (")
    (log,) = Path().glob("sod-*.log")
    assert str(log.resolve()) in line
    text = log.read_text()
    assert "Traceback" in text
    assert "in fails" in text
    assert "'--data.test', 'builtin-2-32'" in text
    assert ("Traceback" in shown) == (debug == "1")


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("--model.tau=.nan", "model.tau: nan is not a finite number"),
        ("--model.tau=.inf", "model.tau: inf is not a finite number"),
        ("--data.augmentation.jitter=.nan", "data.augmentation.jitter: nan is not a finite"),
        ("--data.num_workers=-1", "data.num_workers: -1 is negative"),
    ],
)
def test_values_that_are_none_are_refused(option: str, message: str, capsys: Captured) -> None:
    assert main([*DEMO, option]) == 2
    assert f"error: {message}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"model: " + b"[" * 4000, "nested too deeply"),
        (b"model: \xff", "not UTF-8"),
        (b"\0", "not valid YAML"),
        (b"a: !!python/object/apply:os.getcwd []", "not valid YAML"),
    ],
)
def test_a_bad_config_is_named(content: bytes, message: str, capsys: Captured) -> None:
    Path("bad.yaml").write_bytes(content)
    assert main(["test", "--config", "bad.yaml"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "bad.yaml" in line
    assert message in line


def test_a_config_without_permission_is_named(
    capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("mine.yaml").write_text("model: TokenCut\n")

    def refused(*_: object, **__: object) -> str:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_text", refused)
    assert main(["test", "--config", "mine.yaml"]) == 2
    assert "mine.yaml: cannot be read (Permission denied)" in capsys.readouterr().err


def test_maps_that_are_not_finite_are_named(
    tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    saliency = TokenCut.saliency
    monkeypatch.setattr(TokenCut, "saliency", lambda *a: saliency(*a) * float("nan"))
    words = [*DEMO, "--data.root", "data", "--data.num_workers=0"]
    assert main(words) == 2
    assert "0000.png: its map is not finite" in capsys.readouterr().err
    (folder,) = Path("data").glob("*/images")
    words = ["predict", *words[1:3], "--source", str(folder), "--data.num_workers=0"]
    assert main([*words, "--out", "out"]) == 1
    assert main([*words, "--pseudo", "store"]) == 1
    shown = " ".join(capsys.readouterr().out.split())
    assert shown.count("its map is not finite") == 4
    assert not list(Path("out").rglob("*.png"))
    assert not Path("store", "manifest.jsonl").exists()
