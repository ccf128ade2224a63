"""Refinement of saliency maps, selected by name as in `--refine`."""

from typing import Literal, get_args

from torch import Tensor

from sod.core.errors import SodError, suggest
from sod.refinement.bilateral import bilateral_solver

Refinement = Literal["none", "bilateral"]
REFINEMENTS: tuple[Refinement, ...] = get_args(Refinement)


def parse_refinements(text: str) -> list[Refinement]:
    """Parse a comma-separated list of refinements such as ``none,bilateral``.

    Raises:
        SodError: A refinement is unknown.
    """
    chosen: list[Refinement] = []
    for name in text.split(","):
        match = next((kind for kind in REFINEMENTS if kind == name.strip()), None)
        if match is None:
            raise SodError(
                f"--refine {name.strip()}: unknown.{suggest(name, REFINEMENTS)} "
                f"Known: {', '.join(REFINEMENTS)}."
            )
        chosen.append(match)
    return chosen


def refine(images: Tensor, saliency: Tensor, kind: Refinement) -> Tensor:
    """Refine saliency along the edges of its images.

    ``bilateral`` returns the soft output of the bilateral solver for the saliency thresholded at
    0.5, as in TokenCut, FOUND and PEEKABOO. ``none`` returns the saliency unchanged.

    Args:
        images: RGB in [0, 1], ``[B, 3, H, W]``.
        saliency: ``[B, 1, H, W]`` in [0, 1].
        kind: Name of the refinement.

    Returns:
        ``[B, 1, H, W]`` in [0, 1].
    """
    if kind == "none":
        return saliency
    return bilateral_solver(images.float(), (saliency > 0.5).float())
