"""Options of the mask that is made of a cut, all off by default."""

from dataclasses import dataclass

import torch
from torch import Tensor

from sod.core.errors import SodError
from sod.refinement.masks import largest_component, seed_component
from sod.spectral.centroids import two_centroids
from sod.spectral.cut import Cut


@dataclass(frozen=True)
class MasksConfig:
    """How cuts become the mask of an image, beyond TokenCut's own way.

    Args:
        clean_up: Reassign the tokens to the mean features of object and rest after the cut
            (:func:`sod.spectral.centroids.two_centroids`).
        select_heads: Cut the graph of the attention heads that see objects, instead of that of the
            backbone's facet and block (:func:`sod.nn.head_selection.object_heads`).
        scales: Cut the image at these further factors on its size too; the map is the share of the
            cuts that contain a pixel.
        vote: Further configurations that are cut and counted likewise, each FACET.BLOCK@TAU, such
            as key.6@0.5.
    """

    clean_up: bool = False
    select_heads: bool = False
    scales: tuple[float, ...] = ()
    vote: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Reject values that cannot be used."""
        if any(scale <= 0 for scale in self.scales):
            raise SodError(f"masks.scales: {list(self.scales)} must be factors above 0")
        if self.select_heads and self.vote:
            raise SodError("masks.vote: has no effect on selected heads: give one of both")
        self.voters  # noqa: B018 - raises an error for a malformed entry

    @property
    def voters(self) -> list[tuple[str, float]]:
        """The feature and the threshold of each entry of ``vote``."""
        return [_voter(entry) for entry in self.vote]


def _voter(entry: str) -> tuple[str, float]:
    feature, _, tau = entry.partition("@")
    try:
        return feature, float(tau)
    except ValueError as error:
        raise SodError(
            f"masks.vote: '{entry}' is not FACET.BLOCK@TAU, such as key.6@0.5"
        ) from error


def cleaned_component(cut: Cut, features: Tensor) -> Tensor:
    """Return the object of a cut after the clean-up by two centroids.

    Args:
        cut: The cut of an image.
        features: The features that were cut, ``[C, h, w]``.

    Returns:
        The component of the seed, or the largest one if the seed has moved to the other side; bool
        ``[h, w]``.
    """
    if cut.seed is None:
        return cut.component
    side = two_centroids(features, cut.component)
    row, column = cut.seed
    if not side[row, column]:
        return largest_component(side[None, None])[0, 0]
    seed = torch.tensor([row * side.shape[1] + column], device=side.device)
    return seed_component(side[None, None], seed)[0, 0]
