"""Measures of saliency maps under named protocols, and their reports."""

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
