"""The configurations of a normalized cut that are compared: feature and threshold."""

from collections.abc import Sequence
from typing import NamedTuple

from sod.core.errors import SodError
from sod.nn.backbones.taps import Tap

TAUS = (0.1, 0.2, 0.3, 0.4, 0.5)
"""The thresholds that are compared by default."""


class Configuration(NamedTuple):
    """A configuration of a normalized cut.

    Attributes:
        tap: The feature: a facet of a block.
        tau: Threshold on the cosine similarity.
    """

    tap: Tap
    tau: float

    def __str__(self) -> str:
        """Describe it in words."""
        return f"{self.tap.facet} features of block {self.tap.block}, tau {self.tau:g}"


def configurations(taps: Sequence[Tap], taus: Sequence[float]) -> list[Configuration]:
    """Return every pair of a feature and a threshold, the thresholds of one feature in a row."""
    return [Configuration(tap, tau) for tap in taps for tau in taus]


def parse_taus(text: str) -> tuple[float, ...]:
    """Return the thresholds of a comma-separated list.

    Raises:
        SodError: One of them is no number in [-1, 1).
    """
    try:
        taus = tuple(float(part) for part in text.split(","))
    except ValueError as error:
        raise SodError(f"--taus {text}: expected numbers such as 0.2,0.3,0.4") from error
    if not all(-1 <= tau < 1 for tau in taus):
        raise SodError(f"--taus {text}: a threshold on the cosine is in [-1, 1)")
    return tuple(dict.fromkeys(taus))
