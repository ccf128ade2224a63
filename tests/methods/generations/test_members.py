"""Who speaks for a generation."""

import pytest

from sod.core.errors import SodError
from sod.engine.method import Method
from sod.methods.centre_box import CentreBox
from sod.methods.generations.ensemble import StudentConfig
from sod.methods.generations.members import voices_of


def test_alumni_speak_behind_the_generation_s_own_students() -> None:
    graduates: dict[int, dict[str, Method]] = {
        0: {"teacher0": CentreBox()},
        1: {"a": CentreBox(), "b": CentreBox()},
        2: {"a": CentreBox()},
        3: {"a": CentreBox()},
    }
    names = {n: [voice.name for voice in voices_of(graduates, n, alumni=True)] for n in graduates}
    assert names[0] == ["teacher0"]
    assert names[1] == ["a", "b"]
    assert names[3] == ["a", "gen2_a", "gen1_a", "gen1_b"]
    alone = voices_of(graduates, 3, alumni=False)
    assert [voice.name for voice in alone] == ["a"]
    for voice in [*voices_of(graduates, 3, alumni=True), *alone]:
        assert voice.model is graduates[voice.generation][voice.student]


def test_a_student_cannot_bear_the_name_of_an_alumnus() -> None:
    with pytest.raises(SodError, match="gen1_a"):
        StudentConfig("gen1_a")
    assert StudentConfig("general_a").name == "general_a"
