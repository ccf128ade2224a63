"""Named evaluation protocols: all choices that affect the value of a measure."""

from dataclasses import dataclass
from typing import Literal

from sod.core.errors import SodError, suggest

MaskRule = Literal["nonzero", "255", "over-128", "half-max"]
MaxRule = Literal["max-of-mean", "mean-of-max", "mean-precision-recall"]

_MASK_RULES = {
    "nonzero": "mask > 0",
    "255": "mask = 255",
    "over-128": "mask > 128",
    "half-max": "mask / max > 0.5",
}
_MAX_RULES = {
    "max-of-mean": "maximum of the mean curve",
    "mean-of-max": "mean of each image's maximum",
    "mean-precision-recall": "F of mean precision and mean recall",
}


@dataclass(frozen=True)
class Protocol:
    """An evaluation protocol.

    Attributes:
        name: The value of ``--protocol``.
        users: The publications whose tables follow it.
        mask_rule: Which mask values (0..255) are foreground.
        quantise: Round the map to 8 bits first, as if it were saved and read back.
        normalise: Scale each map to [0, 1] by its minimum and maximum; constant maps are unchanged.
        thresholds: Number of thresholds of the curves, at k / 255 for k = 0, 1, ...
        comparison: The comparison of a map with these thresholds.
        adaptive: The comparison of a map with the adaptive threshold, twice its mean (at most 1).
        beta2: β² of the F-measure, as in the publication's code.
        max_rule: How F and E are combined over images and thresholds: ``max-of-mean``,
            ``mean-of-max``, or ``mean-precision-recall`` (F of mean precision and mean recall).
        empty: Value of a precision, recall or IoU whose denominator is zero.
        binary_mae: Compute MAE from the map binarised at 0.5.
        binary_refined: Binarise refined maps at 0.5 before all measures.
        components: ``single`` keeps the largest 4-connected component of the map at 0.5.
        resize: How maps are resized to their mask; ``nearest-if-binary`` keeps binary maps binary.
        alignment_floor: Smallest denominator (pixels - 1) of the E-measure.
        numpy_means: Compute means in NumPy's order of summation, so that ties (a value equal to the
            adaptive threshold, a flat region of the S-measure) are resolved as in PySODMetrics.
        closed_curves: Continue ROC and precision-recall curves to recall 0 before the area under
            them is taken; PySODMetrics does not, so that a perfect binary map has an area of 0.
        pysod_kappa: Compute the chance agreement of kappa as PySODMetrics does.
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
    closed_curves: bool = True
    pysod_kappa: bool = False

    def is_binary(self, refined: bool) -> bool:
        """Return whether maps are binarised at 0.5 before all measures."""
        return self.components == "single" or (refined and self.binary_refined)

    def describe(self, refined: bool = False) -> str:
        """Return a one-line description of all choices, which is printed with every table."""
        parts = [
            _MASK_RULES[self.mask_rule],
            "8-bit map" if self.quantise else "map unquantised",
            "min-max normalised" if self.normalise else "not normalised",
            "map cut at 0.5" if self.is_binary(refined) else "soft map",
            f"{self.components} component{'s' if self.components == 'multi' else ''}",
            "refined" if refined else "unrefined",
            f"F: β² = {self.beta2:g}, {self.thresholds} thresholds ({self.comparison}), "
            + _MAX_RULES[self.max_rule],
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
            users="FOUND, PEEKABOO",
            mask_rule="255",
            adaptive=">",
            beta2=0.09,  # the published code squares β² = 0.3
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
            closed_curves=False,
            pysod_kappa=True,
        ),
    )
}


def get_protocol(name: str) -> Protocol:
    """Return the protocol of this name.

    Raises:
        SodError: There is no such protocol; the message suggests a similar name.
    """
    if name in PROTOCOLS:
        return PROTOCOLS[name]
    raise SodError(
        f"--protocol {name}: unknown protocol.{suggest(name, PROTOCOLS)} "
        f"Choose one of {', '.join(PROTOCOLS)}."
    )
