from pathlib import Path

import pytest

from sod.core.errors import SodError
from sod.evaluation.lists import parse_methods


def test_a_list_names_methods_seeds_sets_and_styles(tmp_path: Path) -> None:
    for name in ("a", "b0", "b1"):
        (tmp_path / name).mkdir()
    file = tmp_path / "table.yaml"
    file.write_text(
        f"""
sets: [ECSSD, DUTS-TE]
methods:
  B: {{source: [{tmp_path}/b0, {tmp_path}/b1], color: red, linestyle: "--"}}
  A: "{tmp_path}/a/*_sal.png"
"""
    )
    found = parse_methods(str(file))
    assert [entry.label for entry in found.entries] == ["B@0", "B@1", "A"]
    assert found.entries[2].maps == f"{tmp_path}/a/*_sal.png"
    assert found.sets == "ECSSD,DUTS-TE"
    assert found.styles == {"B": {"color": "red", "linestyle": "--"}, "A": {}}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("methods: {A: x}\nset: [E]", "unknown key 'set'. Did you mean 'sets'"),
        ("methods: [a]", "expected entries of NAME: SOURCE"),
        ("methods: {A: {colour: red, source: x}}", "unknown key 'colour'. Did you mean 'color'"),
        ("methods: {A: {color: red}}", "has no 'source'"),
        ("methods: {A: nowhere.ckpt}", "there is no such config, checkpoint or folder"),
    ],
)
def test_mistakes_in_a_list(content: str, message: str, tmp_path: Path) -> None:
    file = tmp_path / "table.yaml"
    file.write_text(content)
    with pytest.raises(SodError, match=message):
        parse_methods(str(file))


@pytest.mark.parametrize("name", ["last.ckpt", "model.safetensors", "model.onnx"])
def test_models_of_all_kinds_are_methods(name: str, tmp_path: Path) -> None:
    (tmp_path / name).touch()
    (entry,) = parse_methods(f"Own={tmp_path / name}").entries
    assert entry.arguments == ("--ckpt", str(tmp_path / name))
