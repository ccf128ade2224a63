"""Measures of saliency maps under named protocols, and their reports.

What degenerate images give, defined under every protocol; "all" predicts every pixel, N is HW:

| mask | map | measure | mean-max | image-max | a2s | pysod |
| --- | --- | --- | --- | --- | --- | --- |
| empty | zero | F, IoU | 1 | 0 | 0 | 0 |
| empty | zero | adaptive F; E | 0 (all); 0 | 0; N/(N-1) | 0 (all); 0 | 0 (all); 0 |
| empty | not zero | F where any pixel is predicted, IoU | 0 | 0 | 0 | 0 |
| empty | any | weighted F; S | 0; 1 - mean | same | same | same |
| empty | any | E (share not predicted) | up to N/(N-1) | same | same | same |
| full | any | S; E (share predicted) | mean; up to N/(N-1) | same | same | same |
| some | zero | F above threshold 0, IoU | 0 | 0 | 0 | 0 |
| any | constant | min-max | not done | not done | left as it is | left as it is |
| centre on the far border | any | S of absent quadrants | not counted | same | same | same |
| 1 x 1 | any | E | 0 or 1 | 0 or 1 | 0 or 1 | 0 or 2^52, as PySODMetrics |

The mask's centroid on the far border leaves quadrants of S without pixels: PySODMetrics then gives
NaN. Precision and recall without predicted or annotated pixels have the value of IoU in the first
line. A map that is not finite, or not of its mask's size, is an error and has no value.
"""

from sod.metrics.collection import SaliencyMetrics
from sod.metrics.functional import CURVES, EXTRA_MEASURES, MEASURES, measure
from sod.metrics.prepare import foreground, resize_saliency
from sod.metrics.protocols import PROTOCOLS, Protocol, get_protocol

__all__ = [
    "CURVES",
    "EXTRA_MEASURES",
    "MEASURES",
    "PROTOCOLS",
    "Protocol",
    "SaliencyMetrics",
    "foreground",
    "get_protocol",
    "measure",
    "resize_saliency",
]
