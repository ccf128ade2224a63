"""Measures of saliency maps under named evaluation protocols.

Values for degenerate images, by protocol. N = HW is the number of pixels; "all" marks cases where
the adaptive threshold predicts every pixel as foreground:

| mask | map | measure | mean-max | image-max | a2s | pysod |
| --- | --- | --- | --- | --- | --- | --- |
| empty | zero | F, IoU | 1 | 0 | 0 | 0 |
| empty | zero | adaptive F; E | 0 (all); 0 | 0; N/(N-1) | 0 (all); 0 | 0 (all); 0 |
| empty | not zero | F where any pixel is predicted; IoU | 0 | 0 | 0 | 0 |
| empty | any | weighted F; S | 0; 1 - mean | same | same | same |
| empty | any | E (share of unpredicted pixels) | up to N/(N-1) | same | same | same |
| full | any | S; E (share of predicted pixels) | mean; up to N/(N-1) | same | same | same |
| some | zero | F above threshold 0, IoU | 0 | 0 | 0 | 0 |
| any | constant | min-max normalisation | none | none | unchanged | unchanged |
| centroid on the last row or column | any | S of empty quadrants | ignored | same | same | same |
| empty | any | boundary IoU and F, Dice, kappa, AUC, AP: where 0 / 0 | 1 | 0 | 0 | 0 |
| empty | not zero | boundary IoU and F, Dice | 0 | 0 | 0 | 0 |
| any | any | false positive rate without background | 0 | 0 | 0 | 0 |
| empty | any | size-invariant measures: those of the image | as F, IoU | same | same | same |
| 1 x 1 | any | E | 0 or 1 | 0 or 1 | 0 or 1 | 0 or 2^52, as PySODMetrics |

A centroid on the last row or column leaves quadrants of S without pixels, for which PySODMetrics
returns NaN. Precision without predicted pixels and recall without foreground pixels have the value
of IoU in the first row. A map with non-finite values or of another size than its mask raises an
error.
"""

from sod.metrics.catalogue import CATALOGUE, GROUPS, MEASURES, select_measures
from sod.metrics.collection import SaliencyMetrics
from sod.metrics.functional import CURVES, measure
from sod.metrics.prepare import foreground, resize_saliency
from sod.metrics.protocols import PROTOCOLS, Protocol, get_protocol

__all__ = [
    "CATALOGUE",
    "CURVES",
    "GROUPS",
    "MEASURES",
    "PROTOCOLS",
    "Protocol",
    "SaliencyMetrics",
    "foreground",
    "get_protocol",
    "measure",
    "resize_saliency",
    "select_measures",
]
