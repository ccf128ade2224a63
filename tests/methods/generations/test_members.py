"""The ensemble members of a generation."""

import pytest

from sod.core.errors import SodError
from sod.engine.method import Method
from sod.methods.centre_box import CentreBox
from sod.methods.generations.members import ensemble_members
from sod.methods.generations.students import StudentConfig


def test_previous_students_follow_the_generation_s_own() -> None:
    trained: dict[int, dict[str, Method]] = {
        0: {"teacher0": CentreBox()},
        1: {"a": CentreBox(), "b": CentreBox()},
        2: {"a": CentreBox()},
        3: {"a": CentreBox()},
    }
    names = {
        n: [member.name for member in ensemble_members(trained, n, keep_previous_students=True)]
        for n in trained
    }
    assert names[0] == ["teacher0"]
    assert names[1] == ["a", "b"]
    assert names[3] == ["a", "gen2_a", "gen1_a", "gen1_b"]
    alone = ensemble_members(trained, 3, keep_previous_students=False)
    assert [member.name for member in alone] == ["a"]
    for member in [*ensemble_members(trained, 3, keep_previous_students=True), *alone]:
        assert member.model is trained[member.generation][member.student]


def test_a_student_cannot_have_the_name_of_a_previous_student() -> None:
    with pytest.raises(SodError, match="gen1_a"):
        StudentConfig("gen1_a")
    assert StudentConfig("general_a").name == "general_a"
