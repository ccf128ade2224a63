"""Evaluation protocols as named data: every number is printed with the protocol it follows."""

from dataclasses import dataclass
from typing import Literal

from sod.core.errors import SodError, suggest

MaskRule = Literal["nonzero", "255", "over-128", "half-max"]
MaxRule = Literal["max-of-mean", "mean-of-max", "mean-precision-recall"]

_MASK_WORDS = {
    "nonzero": "mask > 0",
    "255": "mask = 255",
    "over-128": "mask > 128",
    "half-max": "mask / max > 0.5",
}
_MAX_WORDS = {
    "max-of-mean": "maximum of the mean curve",
    "mean-of-max": "mean of each image's maximum",
    "mean-precision-recall": "F of mean precision and mean recall",
}


@dataclass(frozen=True)
class Protocol:
    """All the choices that change a number.

    Attributes:
        name: the name given to ``--protocol``.
        users: the publications whose tables follow it.
        mask_rule: which of a mask's values 0..255 are foreground.
        quantise: round the map to 8 bits first, as when maps are saved and read back.
        normalise: stretch each map to [0, 1]; a constant map stays as it is.
        thresholds: number of thresholds of the curves, at k / 255 for k = 0, 1, ...
        comparison: how a map is compared with those thresholds.
        adaptive: how a map is compared with twice its mean (at most 1).
        beta2: β² of the F-measure, as the publication's code computes it.
        max_rule: how the maximum of F and E over thresholds meets the mean over images.
        empty: value of a precision, recall or IoU whose denominator is zero.
        binary_mae: MAE of the map at 0.5 instead of the map itself.
        binary_refined: a refined map is cut at 0.5 before anything is measured.
        components: ``single`` keeps the largest 4-connected component of the map at 0.5.
        resize: how a map gets its mask's size; ``nearest-if-binary`` keeps two-valued maps so.
        alignment_floor: smallest denominator (pixels - 1) of the E-measure.
        numpy_means: take means in NumPy's order of summation, so that ties (a value equal to the
            adaptive threshold, a flat region of the S-measure) fall as in PySODMetrics.
    """

    name: str
    users: str
    mask_rule: MaskRule
    quantise: bool = False
    normalise: bool = False
    thresholds: int = 255
    comparison: Literal[">", ">="] = ">"
    adaptive: Literal[">", ">="] = ">="
    beta2: float = 0.3
    max_rule: MaxRule = "max-of-mean"
    empty: float = 0.0
    binary_mae: bool = False
    binary_refined: bool = False
    components: Literal["single", "multi"] = "multi"
    resize: Literal["bilinear", "nearest-if-binary"] = "bilinear"
    alignment_floor: float = 1.0
    numpy_means: bool = False

    def is_binary(self, refined: bool) -> bool:
        """Whether maps are cut at 0.5 before anything is measured."""
        return self.components == "single" or (refined and self.binary_refined)

    def describe(self, refined: bool = False) -> str:
        """Return the line that is printed with every table."""
        parts = [
            _MASK_WORDS[self.mask_rule],
            "8-bit map" if self.quantise else "map unquantised",
            "min-max normalised" if self.normalise else "not normalised",
            "map cut at 0.5" if self.is_binary(refined) else "soft map",
            f"{self.components} component{'s' if self.components == 'multi' else ''}",
            "refined" if refined else "unrefined",
            f"F: β² = {self.beta2:g}, {self.thresholds} thresholds ({self.comparison}), "
            + _MAX_WORDS[self.max_rule],
            f"adaptive {self.adaptive}",
            f"empty precision, recall and IoU = {self.empty:g}",
            "MAE of the map at 0.5" if self.binary_mae else "MAE of the map",
            f"{self.resize} resize",
        ]
        return f"{self.name} ({self.users}): " + "; ".join(parts)


PROTOCOLS: dict[str, Protocol] = {
    protocol.name: protocol
    for protocol in (
        Protocol(
            name="mean-max",
            users="TokenCut, MOVE",
            mask_rule="nonzero",
            empty=1.0,
            resize="nearest-if-binary",
        ),
        Protocol(
            name="image-max",
            users="FOUND, PEEKABOO, SelfMask",
            mask_rule="255",
            adaptive=">",
            beta2=0.09,  # their code squares 0.3 once more
            max_rule="mean-of-max",
            binary_mae=True,
            binary_refined=True,
        ),
        Protocol(
            name="image-max-single",
            users="FOUND, PEEKABOO, single mode",
            mask_rule="255",
            adaptive=">",
            beta2=0.09,
            max_rule="mean-of-max",
            binary_mae=True,
            binary_refined=True,
            components="single",
        ),
        Protocol(
            name="a2s",
            users="A2S, SALOD",
            mask_rule="half-max",
            quantise=True,
            normalise=True,
            comparison=">=",
            max_rule="mean-precision-recall",
        ),
        Protocol(
            name="pysod",
            users="PySODMetrics, UCOS-DA",
            mask_rule="over-128",
            quantise=True,
            normalise=True,
            thresholds=256,
            comparison=">=",
            alignment_floor=2.0**-52,
            numpy_means=True,
        ),
    )
}


def get_protocol(name: str) -> Protocol:
    """Return the protocol called ``name``.

    Raises:
        SodError: if there is no such protocol.
    """
    if name in PROTOCOLS:
        return PROTOCOLS[name]
    raise SodError(
        f"--protocol {name}: unknown protocol.{suggest(name, PROTOCOLS)} "
        f"Choose one of {', '.join(PROTOCOLS)}."
    )
