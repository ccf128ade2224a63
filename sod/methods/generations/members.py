"""The ensemble members of a generation: its own students, and those of earlier generations."""

from collections.abc import Mapping
from typing import NamedTuple

from sod.engine.method import Method


class Member(NamedTuple):
    """One member of an ensemble.

    Args:
        generation: The generation in which it was trained; 0 for a first teacher.
        student: Its name in that generation.
        model: The trained method.
        name: Its name in the ensemble.
    """

    generation: int
    student: str
    model: Method
    name: str


def ensemble_members(
    trained: Mapping[int, Mapping[str, Method]], number: int, keep_previous_students: bool
) -> list[Member]:
    """Return the ensemble members of a generation, its own students first.

    Args:
        trained: The students of each generation so far, by name; the first teachers in 0.
        number: The generation.
        keep_previous_students: Add the students of earlier generations, the latest first, as
            ``genN_NAME``. First teachers are never added.
    """
    own = [Member(number, name, model, name) for name, model in trained[number].items()]
    if not keep_previous_students:
        return own
    previous = [
        Member(generation, name, model, f"gen{generation}_{name}")
        for generation in range(number - 1, 0, -1)
        for name, model in trained[generation].items()
    ]
    return own + previous
