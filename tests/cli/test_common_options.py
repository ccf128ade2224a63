"""The options that every command has: --help, --help_all, --print_config and --config."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from helpers.places import CONFIGS

from sod.cli import main
from sod.cli.catalogue import COMMANDS
from sod.data.synthetic import write_scenes

Errors = Callable[[], str]
Captured = pytest.CaptureFixture[str]
METHOD = ("--config", str(CONFIGS / "centre_box.yaml"))
PLAIN = {
    "data": {"data.name": "first", "data.root": "second"},
    "benchmark": {"methods": "first", "data.test": "second"},
    "generations": {"run": "first", "data.test": "second"},
    "video": {"source": "first", "pseudo": "second"},
    "tune": {"data.train": "first", "out": "second"},
}
"""Two options, both of text, of each command that builds no method."""

UNPARSED = ("configs", "doctor", "new", "recipe", "runs")
PARSED = [name for name in COMMANDS if name not in UNPARSED]
"""The commands that read a configuration; the others have few options and answer at once."""

MISSPELT = {"video": ("refin", "refine")}
"""A misspelt key and its correction, where there is no ``data.root``."""


@pytest.fixture
def printed(capsys: Captured) -> Callable[..., str]:
    """Function that runs a command which prints and exits with 0, and returns what it printed."""

    def run(*arguments: str) -> str:
        with pytest.raises(SystemExit, match=r"^0$"):
            main(arguments)
        captured = capsys.readouterr()
        assert captured.err == ""
        return captured.out

    return run


@pytest.fixture
def config(tmp_path: Path) -> Callable[[dict[str, object]], str]:
    """Function that writes a config file of these keys and returns its path."""

    def write(content: dict[str, object]) -> str:
        path = tmp_path / "own.yaml"
        path.write_text(yaml.safe_dump(content))
        return str(path)

    return write


def nested(options: dict[str, str]) -> dict[str, object]:
    content: dict[str, object] = {}
    for key, value in options.items():
        group, dot, name = key.partition(".")
        if dot:
            content[group] = {**dict(content.get(group, {})), name: value}  # type: ignore[call-overload]
        else:
            content[key] = value
    return content


@pytest.mark.parametrize("command", PARSED)
def test_help_is_short_and_help_all_is_not(command: str, printed: Callable[..., str]) -> None:
    short, full = printed(command, "--help"), printed(command, "--help_all")
    assert short.startswith(f"usage: sod {command} ")
    assert COMMANDS[command].summary in short
    assert len(short.splitlines()) < 50
    for word in ("--config", "--print_config", "--help_all"):
        assert word in short
    assert "--config" in full
    assert printed(command, "-h") == short


@pytest.mark.parametrize("command", PARSED)
def test_print_config_prints_yaml(command: str, printed: Callable[..., str]) -> None:
    words = METHOD if command not in PLAIN else ()
    content = yaml.safe_load(printed(command, *words, "--print_config"))
    if command in PLAIN:
        assert "class_path" not in content.get("model", {})
        assert "trainer" not in content
    else:
        assert content["model"]["class_path"].endswith("CentreBox")


@pytest.mark.parametrize("command", PLAIN)
def test_the_command_line_overrides_the_config(
    command: str, printed: Callable[..., str], config: Callable[[dict[str, object]], str]
) -> None:
    first, second = PLAIN[command]
    file = config(nested(PLAIN[command]))
    positional = ["check"] if command == "data" else []
    words = [command, *positional, "--config", file, f"--{second}", "other", "--print_config"]
    content = yaml.safe_load(printed(*words))
    expected = nested({first: "first", second: "other"})
    for key, value in expected.items():
        if isinstance(value, dict):
            assert {name: content[key][name] for name in value} == value
        else:
            assert content[key] == value


@pytest.mark.parametrize("command", sorted(set(PARSED) - set(PLAIN)))
def test_the_command_line_overrides_the_config_of_a_method(
    command: str, printed: Callable[..., str], config: Callable[[dict[str, object]], str]
) -> None:
    model = {"class_path": "CentreBox", "init_args": {"share": 0.3}}
    file = config({"model": model, "data": {"size": 32, "root": "there"}})
    words = ["--config", file, "--model.share", "0.5", "--data.root", "here", "--print_config"]
    content = yaml.safe_load(printed(command, *words))
    assert content["model"]["init_args"] == {"share": 0.5}
    assert (content["data"]["size"], content["data"]["root"]) == (32, "here")


@pytest.mark.parametrize("command", PARSED)
def test_an_unknown_key_in_a_config_names_file_and_key(
    command: str, config: Callable[[dict[str, object]], str], errors: Errors
) -> None:
    wrong, right = MISSPELT.get(command, ("data.rot", "data.root"))
    file = config(nested({wrong: "x"}))
    assert main([command, "--config", file]) == 2
    assert errors() == f"error: {file}: unknown key '{wrong}'. Did you mean '{right}'?\n"


@pytest.mark.parametrize("command", PARSED)
def test_a_misspelt_option_suggests_the_nearest(command: str, errors: Errors) -> None:
    wrong, right = MISSPELT.get(command, ("data.rot", "data.root"))
    assert main([command, f"--{wrong}", "x"]) == 2
    assert errors() == f"error: command line: unknown key '{wrong}'. Did you mean '{right}'?\n"


@pytest.mark.parametrize("command", PLAIN)
def test_a_command_without_a_method_takes_no_config_of_one(command: str, errors: Errors) -> None:
    assert main([command, *METHOD]) == 2
    assert "unknown key 'model.class_path'" in errors()


def test_a_config_alone_runs_a_command(
    tmp_path: Path, config: Callable[[dict[str, object]], str], capsys: Captured
) -> None:
    write_scenes(tmp_path / "own", count=2, size=(40, 56), seed=1)
    file = config({"data": {"root": str(tmp_path), "name": "own"}})
    assert main(["data", "check", "--config", file]) == 0
    assert "own" in capsys.readouterr().out


def test_dashes_are_underscores_for_every_command(printed: Callable[..., str]) -> None:
    for command in PARSED:
        assert printed(command, "--help-all") == printed(command, "--help_all")


def test_plain_commands_import_no_method(monkeypatch: pytest.MonkeyPatch, errors: Errors) -> None:
    def fail(*_: object) -> None:
        raise AssertionError("a program was assembled")

    monkeypatch.setattr(sys.modules["sod.cli.app"], "assemble", fail)
    assert main(["video", "--source", "/nowhere", "--pseudo", "store"]) == 2
    assert "there is no such file or folder" in errors()
