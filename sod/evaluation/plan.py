"""What an evaluation measures and reports."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from sod.core.errors import SodError, suggest
from sod.evaluation.resampling import RESAMPLES
from sod.metrics.catalogue import MEASURES, select_measures
from sod.metrics.protocols import get_protocol
from sod.refinement.kinds import Refinement, parse_refinements

Missing = Literal["mark", "refuse", "empty"]
"""What to do about images without a map: leave out and mark, refuse, or score an empty map."""


@dataclass(frozen=True)
class Plan:
    """What is measured, the same for all methods of a table.

    Attributes:
        protocol: Name of the metric protocol.
        refinements: Refinements, one row each.
        measures: Names of the measures; IoU is among them, as the galleries are sorted by it.
        missing: What to do about images without a map.
    """

    protocol: str = "mean-max"
    refinements: Sequence[Refinement] = ("none",)
    measures: tuple[str, ...] = MEASURES
    missing: Missing = "mark"


def make_plan(
    protocol: str, refine: str, measures: str, missing: str = "mark", strict: bool = False
) -> Plan:
    """Return the plan of the command line's options.

    Raises:
        SodError: A value is unknown.
    """
    get_protocol(protocol)
    if missing not in get_args(Missing):
        hint = suggest(missing, get_args(Missing))
        raise SodError(f"--missing {missing}: expected mark, refuse or empty.{hint}")
    names = select_measures(measures)
    if "iou" not in names:
        names = (*names, "iou")
    kind: Missing = "refuse" if strict else missing  # type: ignore[assignment]
    return Plan(protocol, parse_refinements(refine), names, kind)


@dataclass(frozen=True)
class Report:
    """What is written about the results.

    Attributes:
        published: Protocol whose published rows are shown, or None.
        resamples: Resamples of bootstrap and sign-flip test; 0 computes none.
        against: Label of the method that all others are compared with, or None for all pairs.
        attributes: CSV file with attributes of the images, or None for the computed ones only.
        measure: Measure of attributes and galleries.
        styles: Matplotlib line properties of the curves, by label; labels in this order come first.
        pictures: Whether galleries, attributes and the HTML report are made.
    """

    published: str | None = None
    resamples: int = RESAMPLES
    against: str | None = None
    attributes: Path | None = None
    measure: str = "iou"
    styles: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    pictures: bool = True
