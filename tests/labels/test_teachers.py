"""Teachers from configs and checkpoints."""

from pathlib import Path

import pytest

import sod.methods  # noqa: F401 - defines the methods
from sod.core.errors import SodError
from sod.engine.building import build_method
from sod.labels.teachers import build_teacher


def test_teachers_come_from_configs_that_override_one_another(tmp_path: Path) -> None:
    first, second = tmp_path / "a.yaml", tmp_path / "b.yaml"
    first.write_text(
        "model: {class_path: TokenCut, init_args: {backbone: {name: descriptor}, tau: 0.1}}"
    )
    second.write_text("model: {class_path: TokenCut, init_args: {tau: 0.4}}")
    teacher = build_teacher(f"{first}+{second}")
    assert teacher.arguments()["tau"] == 0.4
    assert teacher.arguments()["backbone"]["name"] == "descriptor"
    second.write_text("model: {class_path: TokenCut, init_args: {tou: 0.4}}")
    with pytest.raises(SodError, match="tou"):
        build_teacher(str(second))
    with pytest.raises(SodError, match="no such file"):
        build_teacher(str(tmp_path / "c.yaml"))
    first.write_text("data: {root: x}")
    with pytest.raises(SodError, match="class_path"):
        build_teacher(str(first))


def test_an_unknown_method_is_named_with_its_nearest_neighbour() -> None:
    with pytest.raises(SodError, match=r"students: there is no method 'Studnt'.*'Student'"):
        build_method("Studnt", {}, {}, "students")


def test_defaults_are_given_to_methods_that_take_them() -> None:
    method = build_method("CentreBox", {}, {"share": 0.25, "backbone": {}}, "test")
    assert method.arguments() == {"share": 0.25}
    method = build_method("CentreBox", {"share": 0.5}, {"share": 0.25}, "test")
    assert method.arguments() == {"share": 0.5}
