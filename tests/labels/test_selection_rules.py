"""The rules of the selection, one at a time, on three pseudo-masks."""

from typing import Any

import pytest

from sod.labels.selection import Candidate, SelectionConfig, select


def hand_candidates() -> list[Candidate]:
    """Return a small sure object, one with more agreement, and a large one along the border."""
    return [
        Candidate("a", 1.0, 0.25, 0.0, agreement=1 / 3, quality=0.5),
        Candidate("b", 0.679208, 0.25, 0.0, agreement=0.377778, quality=0.9),
        Candidate("c", -0.14798, 0.75, 1.0, agreement=0.384615, quality=0.8),
    ]


@pytest.mark.parametrize(
    ("rules", "names"),
    [
        ({"keep": 1 / 3, "least": 1}, "a"),
        ({"keep": 0.34, "least": 1}, "ab"),  # 1.02 images are two
        ({"keep": 1.0, "least": 1}, "ab"),
        ({"keep": 1 / 3, "least": 2}, "ab"),
        ({"keep": 1 / 3, "least": 3}, "abc"),
        ({"keep": 1 / 3, "least": 1, "score": "agreement"}, "b"),
        ({"keep": 1 / 3, "least": 1, "score": "quality"}, "b"),
        ({"keep": 1 / 3, "least": 1, "score": "contrast"}, "a"),
        ({"keep": 1 / 3, "least": 1, "score": "agreement", "high": 0.75, "border": 1.0}, "c"),
        ({"keep": 1.0, "least": 1, "high": 0.75}, "ab"),  # the border is above 0.6
        ({"keep": 1.0, "least": 1, "high": 0.74, "border": 1.0}, "ab"),
        ({"keep": 1.0, "least": 1, "low": 0.25, "high": 1.0, "border": 1.0}, "abc"),
        ({"keep": 1.0, "least": 1, "low": 0.26, "high": 1.0, "border": 1.0}, "c"),
        ({"keep": 1.0, "least": 1, "outside": "last"}, "abc"),
    ],
)
def test_rules_of_selection(rules: dict[str, Any], names: str) -> None:
    verdicts = select(hand_candidates(), SelectionConfig(**rules))
    assert "".join(v.candidate.name for v in verdicts if v.reason is None) == names
