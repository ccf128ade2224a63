"""Unsupervised selection of the pseudo-masks to train on."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil
from typing import Literal, NamedTuple, get_args

from sod.core.errors import SodError
from sod.labels.store import Label

Score = Literal["contrast", "agreement", "product", "quality", "learned", "held_out"]
Outside = Literal["reject", "last"]
ESTIMATES: tuple[Score, ...] = ("learned", "held_out")
"""Scores that need frozen features of the images (:mod:`sod.labels.estimates`)."""


@dataclass(frozen=True)
class SelectionConfig:
    """Which pseudo-masks are trained on. No ground truth is used.

    Args:
        keep: Share of all images whose pseudo-masks are kept, the best first, in (0, 1].
        later: The same for the second and later generations, whose teachers make fewer errors;
            null: ``keep``.
        least: Keep at least this number, the best ones outside the bounds if fewer are inside.
        low: Lower bound of the object's share of the image.
        high: Upper bound of the object's share of the image.
        border: Upper bound of the share of the image's border that the object covers.
        outside: What happens to pseudo-masks outside the bounds: ``reject`` them, or rank them
            ``last``.
        score: What they are ranked by: ``contrast`` (mean where the mask is not zero, minus the
            border's mean), ``agreement`` of the ensemble members, the ``product`` of the two, the
            score of the ``quality`` network, the IoU with the correct mask as a network has
            ``learned`` it from the surest pseudo-masks with made errors, or the IoU with the
            prediction of a linear student on frozen features that was trained on the
            pseudo-masks of the other half of the images (``held_out``).
    """

    keep: float = 0.5
    later: float | None = 1.0
    least: int = 8
    low: float = 0.03
    high: float = 0.6
    border: float = 0.6
    outside: Outside = "reject"
    score: Score = "product"

    def __post_init__(self) -> None:
        """Reject invalid values."""
        for field, share in (("keep", self.keep), ("later", self.later)):
            if share is not None and not 0 < share <= 1:
                raise SodError(f"selection.{field}: {share} is not in (0, 1]")
        for field, value, known in (
            ("score", self.score, get_args(Score)),
            ("outside", self.outside, get_args(Outside)),
        ):
            if value not in known:
                raise SodError(f"selection.{field}: '{value}' is none of {', '.join(known)}")

    def of_generation(self, number: int) -> "SelectionConfig":
        """Return the selection of a generation, counted from 1, with its own share as ``keep``."""
        if number < 2 or self.later is None:
            return self
        return replace(self, keep=self.later)


class Candidate(NamedTuple):
    """What is known of a pseudo-mask without ground truth.

    Args:
        name: The sample's name.
        contrast: Mean where the mask is not zero minus the border's mean, in [-1, 1].
        area: Share of the image, in [0, 1].
        border: Share of the image's border, in [0, 1].
        agreement: Agreement of the ensemble members, in [0, 1]; 1 for a single one.
        quality: Score of the quality network in [0, 1].
        estimate: Score that is learned or of held-out students, in [0, 1]; None: not computed.
    """

    name: str
    contrast: float
    area: float
    border: float = 0.0
    agreement: float = 1.0
    quality: float = 1.0
    estimate: float | None = None

    @classmethod
    def of(cls, label: Label) -> "Candidate":
        """Return the candidate of one teacher's label."""
        return cls(label.name, label.score, label.area)

    def score(self, kind: Score) -> float:
        """Return one of the scores."""
        if kind == "product":
            return max(self.contrast, 0.0) * self.agreement
        if kind in ESTIMATES:
            if self.estimate is None:
                raise SodError(f"selection.score: {kind} is not known here: use contrast")
            return self.estimate
        values = {"contrast": self.contrast, "agreement": self.agreement, "quality": self.quality}
        return values[kind]


class Verdict(NamedTuple):
    """The result of the selection for one candidate.

    Args:
        candidate: The candidate.
        score: The score that it was ranked by.
        reason: Why it was rejected, or None if it was selected.
    """

    candidate: Candidate
    score: float
    reason: str | None


def select(candidates: Sequence[Candidate], config: SelectionConfig) -> list[Verdict]:
    """Select the best pseudo-masks.

    Args:
        candidates: One per image.
        config: The rules.

    Returns:
        One verdict per candidate, in their order.
    """
    reasons = {each.name: _outside(each, config) for each in candidates}

    def order(each: Candidate) -> tuple[bool, float, str]:
        return reasons[each.name] is not None, -each.score(config.score), each.name

    ranked = sorted(candidates, key=order)
    share = ceil(config.keep * len(candidates))
    certain = config.least if config.outside == "reject" else max(share, config.least)
    places = max(share, config.least)
    for each in ranked[:certain]:
        reasons[each.name] = None
    for each in ranked[places:]:
        rank = f"{config.score} {each.score(config.score):.3f} is not among the best {places}"
        reasons[each.name] = reasons[each.name] or rank
    return [Verdict(each, each.score(config.score), reasons[each.name]) for each in candidates]


def selected_scores(verdicts: Sequence[Verdict]) -> dict[str, float]:
    """Return name and score of the selected ones."""
    return {each.candidate.name: each.score for each in verdicts if each.reason is None}


def _outside(candidate: Candidate, config: SelectionConfig) -> str | None:
    """Return which bound a candidate violates, or None."""
    if candidate.area < config.low:
        return f"area {candidate.area:.3f} is below {config.low}"
    if candidate.area > config.high:
        return f"area {candidate.area:.3f} is above {config.high}"
    if candidate.border > config.border:
        return f"border {candidate.border:.3f} is above {config.border}"
    return None
