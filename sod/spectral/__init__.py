"""Normalized cuts on dense graphs of image tokens, as pure functions."""

from sod.spectral.cut import Cut, normalized_cut, normalized_cuts
from sod.spectral.eigen import NotConvergedError, bipartition, second_eigenvector
from sod.spectral.graph import Graph, affinity
from sod.spectral.sweep import threshold_sweep

__all__ = [
    "Cut",
    "Graph",
    "NotConvergedError",
    "affinity",
    "bipartition",
    "normalized_cut",
    "normalized_cuts",
    "second_eigenvector",
    "threshold_sweep",
]
