"""Normalized cuts on dense graphs of image tokens, as pure functions."""

from sod.spectral.cut import Cut, bipartition, normalized_cut
from sod.spectral.eigen import NotConvergedError, second_eigenvector
from sod.spectral.graph import Graph, affinity

__all__ = [
    "Cut",
    "Graph",
    "NotConvergedError",
    "affinity",
    "bipartition",
    "normalized_cut",
    "second_eigenvector",
]
