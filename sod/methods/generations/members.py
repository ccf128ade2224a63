"""Who speaks for a generation: its own students, and those of the generations before it."""

from collections.abc import Mapping
from typing import NamedTuple

from sod.engine.method import Method


class Voice(NamedTuple):
    """One who speaks.

    Args:
        generation: That it learnt in; 0 for a first teacher.
        student: Its name there.
        model: What it says.
        name: Its name among all who speak.
    """

    generation: int
    student: str
    model: Method
    name: str


def voices_of(
    graduates: Mapping[int, Mapping[str, Method]], number: int, alumni: bool
) -> list[Voice]:
    """Return who speaks for a generation, its own students first.

    Args:
        graduates: Who has learnt in each generation so far, by name; the first teachers in 0.
        number: The generation.
        alumni: Let students of earlier generations speak too, the latest first, as ``genN_NAME``.
            First teachers never speak for students.
    """
    found = [Voice(number, name, model, name) for name, model in graduates[number].items()]
    if not alumni:
        return found
    earlier = [
        Voice(generation, name, model, f"gen{generation}_{name}")
        for generation in range(number - 1, 0, -1)
        for name, model in graduates[generation].items()
    ]
    return found + earlier
