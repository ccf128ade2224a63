"""Values of options inside a method's groups, as the command line gives them."""

from collections.abc import Callable

import pytest
import yaml
from helpers.places import CONFIGS

from sod.cli import main
from sod.cli.parser import as_json

CONNNET = ["fit", "--config", str(CONFIGS / "connnet.yaml"), "--data.train", "x"]


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("labels.selection.later", None),
        ("backbone.weights", None),
        ("inference.scales", [1.0, 2.0]),
        ("labels.selection.score", "held_out"),
    ],
)
def test_a_nested_option_has_the_value_that_was_given(
    option: str, value: object, capsys: pytest.CaptureFixture[str]
) -> None:
    text = yaml.safe_dump(value, default_flow_style=True).split("\n")[0]
    with pytest.raises(SystemExit, match=r"^0$"):
        main([*CONNNET, f"--model.{option}={text}", "--print_config"])
    found = yaml.safe_load(capsys.readouterr().out)["model"]["init_args"]
    for key in option.split("."):
        found = found[key]
    assert found == value


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("model.labels.selection.later=x", "selection.later: expected float or null, got 'x'."),
        ("data.num_workers=many", "data.num_workers: expected int or null, got 'many'."),
        ("model.labels.masks={votes: 3}", "Group 'labels' does not accept option 'masks.votes'."),
    ],
)
def test_the_error_of_a_nested_option_is_its_own(
    words: str, message: str, errors: Callable[[], str]
) -> None:
    assert main([*CONNNET, f"--{words}"]) == 2
    assert message in errors()


def test_only_values_of_python_are_rewritten() -> None:
    assert as_json("--steps=None") == "--steps=null"
    assert as_json("--masks={'votes': None, 'name': 'None'}") == (
        '--masks={"votes": null, "name": "None"}'
    )
    for text in ("--masks={votes: null}", "--out=None.png", "--help", "--scales=[1.0, x]"):
        assert as_json(text) == text
