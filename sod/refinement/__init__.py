"""Refinement of masks: fast bilateral solver, connected components and overlap."""

from sod.refinement.bilateral import BilateralGrid, bilateral_solver
from sod.refinement.masks import (
    binarise,
    fill_holes,
    largest_component,
    mask_iou,
    seed_component,
)
from sod.refinement.targets import RefinedTargets, refine_targets

__all__ = [
    "BilateralGrid",
    "RefinedTargets",
    "bilateral_solver",
    "binarise",
    "fill_holes",
    "largest_component",
    "mask_iou",
    "refine_targets",
    "seed_component",
]
