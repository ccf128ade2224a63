"""Normalized cuts on dense graphs of image tokens: pure functions, usable without Lightning."""

from sod.spectral.cut import Cut, bipartition, normalized_cut, pixel_box
from sod.spectral.eigen import NotConvergedError, second_eigenvector
from sod.spectral.graph import Graph, affinity

__all__ = [
    "Cut",
    "Graph",
    "NotConvergedError",
    "affinity",
    "bipartition",
    "normalized_cut",
    "pixel_box",
    "second_eigenvector",
]
