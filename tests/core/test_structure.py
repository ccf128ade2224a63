"""Comparison of what a file holds with a value of the right structure."""

from typing import Any

import pytest
import torch

from sod.core.structure import faults

RIGHT = {
    "steps": 3,
    "best": 0.5,
    "on": True,
    "name": "a",
    "any": None,
    "list": [1, 2],
    "weights": torch.zeros(2, 3),
}


def found(**changes: Any) -> list[str]:  # noqa: ANN401
    return list(faults({**RIGHT, **changes}, RIGHT, "file"))


def test_right_values_have_no_fault() -> None:
    assert found() == []
    assert found(best=None, any=7, more="x", weights=torch.full((2, 3), float("inf"))) == []
    assert found(best=2, list=(4, 5)) == []


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"steps": True}, "file.steps: is not a whole number, but True"),
        ({"steps": None}, "file.steps: is not a whole number, but None"),
        ({"steps": 3.0}, "file.steps: is not a whole number, but 3.0"),
        ({"best": float("nan")}, "file.best: is not a number, but nan"),
        ({"on": 1}, "file.on: is not true or false, but 1"),
        ({"name": 5}, "file.name: is not text, but 5"),
        ({"any": [1]}, "file.any: is not a plain value, but a list of 1"),
        ({"list": [1]}, "file.list: is not a list of 2, but a list of 1"),
        ({"list": [1, "b\n"]}, r"file.list.1: is not a whole number, but 'b\n'"),
        ({"weights": torch.zeros(3)}, "file.weights: has the shape [3] and not [2, 3]"),
        ({"weights": [0]}, "file.weights: is not a tensor, but a list of 1"),
        (
            {"weights": torch.full((2, 3), float("nan"))},
            "file.weights: has values that are no number (NaN)",
        ),
    ],
)
def test_each_fault_is_named(change: dict[str, Any], fault: str) -> None:
    assert found(**change) == [fault]


def test_missing_keys_and_no_mapping_are_named() -> None:
    assert list(faults({}, {"a": 1}, "file")) == ["file.a: is missing"]
    assert list(faults(4, {"a": 1}, "file")) == ["file: is not a mapping, but 4"]
