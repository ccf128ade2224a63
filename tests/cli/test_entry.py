"""What the program answers before PyTorch is imported."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import sod
import sod.methods
from sod.cli import main
from sod.cli.catalogue import COMMANDS, FOLDER
from sod.cli.keys import _parameters
from sod.cli.signatures import module_of_method, parameters
from sod.engine.method import Method
from sod.engine.registry import known_methods

Errors = Callable[[], str]
Captured = pytest.CaptureFixture[str]
QUICK = """
import sys
from sod.cli import main
words = [["--help"], ["--version"], ["evalute"], ["evaluate", "--config", "tokencat"],
         ["predict", "--ckpt", "lastt.ckpt"], ["predict", "--sorce", "x"], ["configs"],
         ["fit", "--data.batch_sice", "3"], ["fit", "--model", "TokenCut", "--model.tua=1"]]
codes = [main(each) for each in words]
heavy = {"torch", "numpy", "pytorch_lightning", "yaml"} & set(sys.modules)
sys.exit(f"{codes} {heavy}" if heavy or codes != [0, 0, 2, 2, 2, 2, 0, 2, 2] else 0)
"""


def test_help_and_mistyped_words_import_nothing_heavy(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", QUICK], capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "Did you mean 'tokencut'?" in done.stderr


@pytest.mark.parametrize("cls", sorted(known_methods(), key=str), ids=lambda cls: cls.__name__)
def test_parameters_read_from_the_source_are_those_of_the_class(cls: type[Method]) -> None:
    module = module_of_method(cls.__name__)
    assert module == cls.__module__
    assert set(parameters(module, cls.__name__)) >= set(_parameters(cls))


def test_a_misspelt_option_of_a_method_gets_the_nearest(
    errors: Errors, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "sod.cli.app", None)  # whatever builds the method
    assert main(["fit", "--config", "peekaboo", "--model.inference.flap", "true"]) == 2
    assert "key 'model.inference.flap'. Did you mean 'model.inference.flip'?" in errors()
    assert main(["evaluate", "--config", "tokencut", "--data.tset=ECSSD"]) == 2
    assert "key 'data.tset'. Did you mean 'data.test'?" in errors()


def test_fields_of_optional_arguments_and_of_mappings_are_known(
    errors: Errors, tmp_path: Path
) -> None:
    wrong, right = "model.distilled.max_stepz", "model.distilled.max_steps"
    plain = ["fit", "--config", "generations"]
    assert main([*plain, "--model.distilled.arguments.head.kind=binary", f"--{wrong}=3"]) == 2
    assert errors() == f"error: command line: unknown key '{wrong}'. Did you mean '{right}'?\n"
    file = tmp_path / "own.yaml"
    distilled = {"name": "one", "arguments": {"head": {"kind": "binary"}}, "max_stepz": 3}
    model = {"class_path": "Generations", "init_args": {"distilled": distilled}}
    file.write_text(json.dumps({"model": model}))
    assert main(["fit", "--config", str(file)]) == 2
    assert errors() == f"error: {file}: unknown key '{wrong}'. Did you mean '{right}'?\n"


def test_the_version_is_that_of_the_package(capsys: Captured) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"sod {sod.__version__}\n"


@pytest.mark.parametrize("name", COMMANDS)
def test_what_is_read_from_the_source_is_what_is_run(name: str) -> None:
    command = COMMANDS[name]
    assert command.run.__name__ == name
    assert (command.run.__doc__ or "").startswith(command.summary)
    assert list(command.options) == command.keys
    assert len(command.summary) > 20


def test_every_module_of_the_commands_is_listed() -> None:
    modules = {path.stem for path in FOLDER.glob("*.py")} - {"__init__"}
    assert {command.module for command in COMMANDS.values()} == modules


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["evaluate", "--config", "conet"], "Did you mean 'connnet'?"),
        (["evaluate", "--config", "configs/tokencut.yaml"], "Did you mean 'tokencut'?"),
        (["evaluate", "--config", "zzz"], "`sod configs` lists"),
        (["evaluate", "--config=onw.yaml"], "Did you mean 'own.yaml'?"),
        (["evaluate", "--ckpt", "lastt.ckpt"], "Did you mean 'last.ckpt'?"),
        (["benchmark", "--methods", "tokncut", "--data.test", "x"], "Did you mean 'tokencut'?"),
    ],
)
def test_an_absent_file_suggests_the_nearest(
    words: list[str], hint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, errors: Errors
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("own.yaml", "last.ckpt"):
        Path(name).touch()
    assert main(words) == 2
    assert hint in errors()


def test_configs_of_two_methods_are_named(errors: Errors) -> None:
    assert main(["test", "--config", "tokencut", "--config", "centre_box"]) == 2
    text = errors()
    assert "tokencut.yaml is of TokenCut, " in text
    assert "centre_box.yaml of CentreBox: give configs of one method" in text


def test_an_absent_folder_of_maps_suggests_the_nearest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, errors: Errors
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("maps").mkdir()
    words = ["evaluate", "--maps", "mapz", "--data.root", str(tmp_path)]
    assert main([*words, "--data.test", "builtin-1-32"]) == 2
    assert "--maps mapz: there is no such folder mapz. Did you mean 'maps'?" in errors()
