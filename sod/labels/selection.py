"""Unsupervised selection: which pseudo-masks are good enough to be learnt from."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil
from typing import Literal, NamedTuple, get_args

from sod.core.errors import SodError

Score = Literal["contrast", "agreement", "product", "evalseg"]


@dataclass(frozen=True)
class SelectionConfig:
    """Which pseudo-masks a generation learns from; no real mask has a part in it.

    Args:
        keep: Share of all images whose pseudo-masks are kept, the best first, in (0, 1].
        later: The same of the second and further generations, whose teachers err less; null: as
            the first.
        least: Keep at least so many, the best outside the bounds too where these leave fewer.
        low: Objects with a smaller share of their image are rejected.
        high: Objects with a larger share of their image are rejected.
        border: Pseudo-masks that cover a larger share of the image's border are rejected.
        score: What the best have most of: ``contrast`` (mean where the mask is not zero, minus the
            border's mean), ``agreement`` of those that made it, the ``product`` of the two, or the
            ``evalseg`` network's opinion.
    """

    keep: float = 0.5
    later: float | None = 1.0
    least: int = 8
    low: float = 0.03
    high: float = 0.6
    border: float = 0.6
    score: Score = "product"

    def __post_init__(self) -> None:
        """Refuse values that mean nothing, naming the field."""
        for field, share in (("keep", self.keep), ("later", self.later)):
            if share is not None and not 0 < share <= 1:
                raise SodError(f"selection.{field}: {share} is not in (0, 1]")
        if self.score not in get_args(Score):
            known = ", ".join(get_args(Score))
            raise SodError(f"selection.score: '{self.score}' is none of {known}")

    def at(self, generation: int) -> "SelectionConfig":
        """Return what counts in a generation, from 1: ``keep`` is its own share."""
        if generation < 2 or self.later is None:
            return self
        return replace(self, keep=self.later)


class Candidate(NamedTuple):
    """What is known of a pseudo-mask, without having seen a real one.

    Args:
        name: The sample's name.
        contrast: Mean where the mask is not zero minus the border's mean, in [-1, 1].
        area: Share of the image, in [0, 1].
        border: Share of the image's border, in [0, 1].
        agreement: Of those that made it, in [0, 1]; 1 where it was one alone.
        evalseg: The selection network's score in [0, 1].
    """

    name: str
    contrast: float
    area: float
    border: float
    agreement: float
    evalseg: float

    def score(self, kind: Score) -> float:
        """Return the score that is asked for."""
        if kind == "product":
            return max(self.contrast, 0.0) * self.agreement
        return {"contrast": self.contrast, "agreement": self.agreement, "evalseg": self.evalseg}[
            kind
        ]


class Verdict(NamedTuple):
    """What became of a candidate.

    Args:
        candidate: What is known of it.
        score: What it was ranked by.
        reason: Why it was rejected, or None for a chosen one.
    """

    candidate: Candidate
    score: float
    reason: str | None


def choose(candidates: Sequence[Candidate], config: SelectionConfig) -> list[Verdict]:
    """Choose the best pseudo-masks.

    Args:
        candidates: One for each image.
        config: What counts.

    Returns:
        One for each candidate, in their order.
    """
    reasons = {each.name: _outside(each, config) for each in candidates}

    def order(each: Candidate) -> tuple[bool, float, str]:
        return reasons[each.name] is not None, -each.score(config.score), each.name

    ranked = sorted(candidates, key=order)
    places = max(ceil(config.keep * len(candidates)), config.least)
    for each in ranked[: config.least]:
        reasons[each.name] = None
    for each in ranked[places:]:
        rank = f"{config.score} {each.score(config.score):.3f} is not among the best {places}"
        reasons[each.name] = reasons[each.name] or rank
    return [Verdict(each, each.score(config.score), reasons[each.name]) for each in candidates]


def _outside(candidate: Candidate, config: SelectionConfig) -> str | None:
    if candidate.area < config.low:
        return f"area {candidate.area:.3f} is below {config.low}"
    if candidate.area > config.high:
        return f"area {candidate.area:.3f} is above {config.high}"
    if candidate.border > config.border:
        return f"border {candidate.border:.3f} is above {config.border}"
    return None
