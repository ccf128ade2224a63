"""Refinement of masks: the fast bilateral solver and connected components."""

from sod.refine.bilateral import BilateralGrid, bilateral_solver
from sod.refine.components import (
    binarise,
    fill_holes,
    largest_component,
    seed_component,
    tight_boxes,
)

__all__ = [
    "BilateralGrid",
    "bilateral_solver",
    "binarise",
    "fill_holes",
    "largest_component",
    "seed_component",
    "tight_boxes",
]
