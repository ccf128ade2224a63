"""The configs of the package, by name."""

from collections.abc import Callable
from pathlib import Path

import pytest
from helpers.places import CONFIGS

from sod.cli import main
from sod.cli.catalogue import COMMANDS
from sod.core.configs import find_config, is_config, packaged_configs
from sod.core.errors import SodError
from sod.labels.teachers import build_teacher

Errors = Callable[[], str]
Captured = pytest.CaptureFixture[str]


def test_every_config_of_the_folder_is_listed(capsys: Captured) -> None:
    assert main(["configs"]) == 0
    text = capsys.readouterr().out
    names = {path.stem for path in CONFIGS.glob("*.yaml")}
    assert set(packaged_configs()) == names
    assert all(f"  {name} " in text for name in names)
    assert "The centre box: a baseline that ignores the image\n" in text


def test_a_copy_is_the_file_and_overwrites_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured, errors: Errors
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["configs", "copy", "found"]) == 0
    assert Path("found.yaml").read_bytes() == (CONFIGS / "found.yaml").read_bytes()
    assert main(["configs", "show", "found"]) == 0
    assert (CONFIGS / "found.yaml").read_text() in capsys.readouterr().out
    Path("found.yaml").write_text("own: 1\n")
    assert main(["configs", "copy", "found"]) == 2
    assert "exists" in errors()
    assert Path("found.yaml").read_text() == "own: 1\n"
    assert main(["configs", "copy", "fund"]) == 2
    assert "Did you mean 'found'?" in errors()


def test_a_name_is_a_config_for_commands_teachers_and_benchmarks(tmp_path: Path) -> None:
    from sod.cli.app import assemble
    from sod.evaluation.lists import parse_methods

    by_name = assemble(COMMANDS["test"], ["--config", "centre_box"]).method
    assert type(by_name).__name__ == "CentreBox"
    assert type(build_teacher("centre_box")).__name__ == "CentreBox"
    (entry,) = parse_methods("box=centre_box").entries
    assert entry.arguments == ("--config", str(CONFIGS / "centre_box.yaml"))


def test_a_file_comes_before_a_packaged_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert find_config("found") == str(CONFIGS / "found.yaml")
    Path("found").touch()
    assert find_config("found") == "found"
    with pytest.raises(SodError, match="--x fond: there is no such file"):
        find_config("fond", "--x")


def test_a_folder_hides_no_packaged_config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("found").mkdir()  # as `make demo` leaves a folder demo
    assert is_config("found")
    assert find_config("found") == str(CONFIGS / "found.yaml")
