"""Refinement of saliency maps, selected by name as in `--refine`."""

from collections.abc import Callable
from typing import TypeAlias

from torch import Tensor

from sod.core.registry import Registry
from sod.refinement.adaptive import adaptive_refinement
from sod.refinement.bilateral import bilateral_solver

Refinement: TypeAlias = str
"""The name of a refinement, one of ``REFINEMENTS``."""

Refine = Callable[[Tensor, Tensor], Tensor]
"""Maps RGB images ``[B, 3, H, W]`` and their saliency ``[B, 1, H, W]`` to refined saliency."""


def _unchanged(images: Tensor, saliency: Tensor) -> Tensor:
    return saliency


def _bilateral(images: Tensor, saliency: Tensor) -> Tensor:
    return bilateral_solver(images.float(), (saliency > 0.5).float())


REFINEMENTS: Registry[Refine] = Registry(
    "refinement",
    {"none": _unchanged, "bilateral": _bilateral, "adaptive": adaptive_refinement},
)
"""The refinements by name; another package adds its own with ``REFINEMENTS.register``."""


def parse_refinements(text: str, option: str = "--refine") -> list[Refinement]:
    """Parse a comma-separated list of refinements such as ``none,bilateral``.

    Args:
        text: The list.
        option: The option that gave it, for the message.

    Raises:
        SodError: A refinement is unknown.
    """
    names = [name.strip() for name in text.split(",")]
    for name in names:
        REFINEMENTS.find(name, option)
    return names


def refine(images: Tensor, saliency: Tensor, kind: Refinement) -> Tensor:
    """Refine saliency along the edges of its images.

    ``bilateral`` returns the soft output of the bilateral solver for the saliency thresholded at
    0.5, as in TokenCut, FOUND and PEEKABOO. ``adaptive`` chooses the strength for each map
    (:mod:`sod.refinement.adaptive`). ``none`` returns the saliency unchanged.

    Args:
        images: RGB in [0, 1], ``[B, 3, H, W]``.
        saliency: ``[B, 1, H, W]`` in [0, 1].
        kind: Name of the refinement.

    Returns:
        ``[B, 1, H, W]`` in [0, 1].

    Raises:
        SodError: There is no such refinement.
    """
    return REFINEMENTS.find(kind, "--refine")(images, saliency)
