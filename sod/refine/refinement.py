"""Refinement by name, as `--refine` gives it."""

from typing import Literal, get_args

from torch import Tensor

from sod.refine.bilateral import bilateral_solver

Refinement = Literal["none", "bilateral"]
REFINEMENTS: tuple[Refinement, ...] = get_args(Refinement)


def refine(images: Tensor, saliency: Tensor, kind: Refinement) -> Tensor:
    """Refine saliency along the edges of its images.

    ``bilateral`` solves for the saliency binarised at 0.5 and returns the solver's soft output, as
    TokenCut, FOUND and PEEKABOO do.

    Args:
        images: RGB in [0, 1], ``[B, 3, H, W]``.
        saliency: ``[B, 1, H, W]`` in [0, 1].
        kind: the refinement's name.

    Returns:
        ``[B, 1, H, W]`` in [0, 1].
    """
    if kind == "none":
        return saliency
    return bilateral_solver(images.float(), (saliency > 0.5).float())
