"""Comparison of nested values from a file with ones that are known to be right."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

from torch import Tensor

from sod.core.names import one_line


def faults(value: Any, expected: Any, place: str) -> Iterator[str]:  # noqa: ANN401 - any content
    """Yield the places where a value is not of the structure that is expected.

    Mappings have the keys of the expected one, sequences its length, tensors its shape, and nothing
    is NaN. None stands for any plain value, and a number with a fraction may be None.

    Args:
        value: What the file holds.
        expected: A value of the right structure.
        place: Name of the value, for the messages: ``place: is not ...``.
    """
    if isinstance(expected, Mapping):
        yield from _mapping_faults(value, expected, place)
    elif isinstance(expected, list | tuple):
        if not isinstance(value, list | tuple) or len(value) != len(expected):
            yield f"{place}: is not a list of {len(expected)}, but {_shown(value)}"
            return
        for index, (each, right) in enumerate(zip(value, expected, strict=True)):
            yield from faults(each, right, f"{place}.{index}")
    elif isinstance(expected, Tensor):
        yield from tensor_faults(value, tuple(expected.shape), place)
    elif not _is_like(value, expected):
        yield f"{place}: is not {_kind(expected)}, but {_shown(value)}"


def tensor_faults(value: object, shape: tuple[int, ...], place: str) -> Iterator[str]:
    """Yield what is wrong with a value that has to be a tensor of a shape, without NaN."""
    if not isinstance(value, Tensor):
        yield f"{place}: is not a tensor, but {_shown(value)}"
    elif tuple(value.shape) != shape:
        yield f"{place}: has the shape {list(value.shape)} and not {list(shape)}"
    elif value.isnan().any():
        yield f"{place}: has values that are no number (NaN)"


def _mapping_faults(value: object, expected: Mapping[Any, Any], place: str) -> Iterator[str]:
    if not isinstance(value, Mapping):
        yield f"{place}: is not a mapping, but {_shown(value)}"
        return
    for key, right in expected.items():
        here = f"{place}.{one_line(str(key))}"
        if key in value:
            yield from faults(value[key], right, here)
        else:
            yield f"{here}: is missing"


def _is_like(value: object, expected: object) -> bool:
    if expected is None:
        return not isinstance(value, Mapping | list | tuple)
    if isinstance(expected, bool):
        return isinstance(value, bool)
    if isinstance(expected, int):
        return isinstance(value, int) and not isinstance(value, bool)
    if isinstance(expected, float):
        if value is None or isinstance(value, bool):
            return value is None
        return isinstance(value, int | float) and not math.isnan(value)
    return isinstance(value, type(expected))


def _kind(expected: object) -> str:
    if isinstance(expected, bool):
        return "true or false"
    if isinstance(expected, int | float):
        return "a whole number" if isinstance(expected, int) else "a number"
    return "text" if isinstance(expected, str) else "a plain value"


def _shown(value: object) -> str:
    if isinstance(value, Tensor):
        return f"a tensor of shape {list(value.shape)}"
    if isinstance(value, Mapping | list | tuple):
        return f"a {type(value).__name__} of {len(value)}"
    return one_line(repr(value))[:40]
