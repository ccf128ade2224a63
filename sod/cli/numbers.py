"""Check of the numbers of a configuration."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

from sod.core.errors import SodError


def check_numbers(config: Mapping[str, Any]) -> None:
    """Check that every number of a configuration is finite, those of the trainer excepted.

    Args:
        config: The configuration as nested primitives.

    Raises:
        SodError: A value is NaN or infinite; the message names its key.
    """
    for key, value in _numbers(config, ""):
        if not key.startswith("trainer.") and not math.isfinite(value):
            raise SodError(f"{key.replace('.init_args', '')}: {value} is not a finite number")


def _numbers(value: Any, key: str) -> Iterator[tuple[str, float]]:  # noqa: ANN401 - nested values
    if isinstance(value, Mapping):
        for name, item in value.items():
            yield from _numbers(item, f"{key}.{name}" if key else str(name))
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _numbers(item, key)
    elif isinstance(value, float):
        yield key, value
