"""Refinement of masks: the fast bilateral solver and connected components."""

from sod.refine.bilateral import BilateralGrid, bilateral_solver
from sod.refine.masks import (
    binarise,
    fill_holes,
    largest_component,
    seed_component,
    tight_boxes,
)
from sod.refine.targets import RefinedTargets, refine_targets

__all__ = [
    "BilateralGrid",
    "RefinedTargets",
    "bilateral_solver",
    "binarise",
    "fill_holes",
    "largest_component",
    "refine_targets",
    "seed_component",
    "tight_boxes",
]
