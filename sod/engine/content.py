"""What is in a checkpoint or an exported model: its format number, and a check of its parts."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from sod.core.errors import SodError
from sod.core.formats import check_format
from sod.engine.stated import check_plain
from sod.refinement.calibration import read_calibrations

FORMAT = 1
"""Number of the layout of checkpoints and models; files without a number are older than 1."""


def checked_content(content: object, where: str) -> dict[str, Any]:
    """Return the content of a checkpoint if all parts that building a method needs are there.

    Args:
        content: What the file holds.
        where: The file, for messages.

    Raises:
        SodError: It is no checkpoint, of a later version, or damaged.
    """
    if not isinstance(content, dict) or not {"method", "state_dict"} <= content.keys():
        raise SodError(f"{where}: is not a checkpoint written by `sod fit`.")
    check_format(content, FORMAT, where)
    _check_method(content, where)
    _check_state(content["state_dict"], where)
    read_calibrations(content, where)
    students = content.get("students", [])
    if not isinstance(students, list):
        raise SodError(f"{where}: is damaged: its students are no list.")
    for student in students:
        _check_student(student, where)
    if not isinstance(content.get("weights_sha256", {}), Mapping):
        raise SodError(f"{where}: is damaged: its checksums are no mapping.")
    return content


def _check_method(content: Mapping[str, Any], where: str) -> None:
    if not isinstance(content.get("method"), str):
        raise SodError(f"{where}: is damaged: it names no method.")
    if not isinstance(content.get("hyper_parameters"), Mapping):
        raise SodError(f"{where}: is damaged: it states no arguments of its method.")
    check_plain(content["hyper_parameters"], where)


def _check_state(state: object, where: str) -> None:
    if not isinstance(state, Mapping) or not all(
        isinstance(name, str) and isinstance(value, Tensor) for name, value in state.items()
    ):
        raise SodError(f"{where}: is damaged: its weights are no mapping from names to tensors.")


def _check_student(student: object, where: str) -> None:
    name = student.get("name") if isinstance(student, Mapping) else None
    if not isinstance(student, Mapping) or not isinstance(name, str) or not name or "." in name:
        raise SodError(f"{where}: is damaged: one of its students has no name.")
    _check_method(student, f"{where}: {name}")
    _check_state(student.get("state_dict", {}), f"{where}: {name}")
