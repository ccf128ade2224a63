"""The calibration of maps found without masks, from their agreement with those of mirrored images.

The mean absolute error of a map differs from the error of its mask at 0.5, which is 1 - accuracy,
only where the map is uncertain. Let ``u = min(s, 1 - s)``. Where the mask is right, a pixel adds
``u`` to the first and 0 to the second; where it is wrong, ``1 - u`` and 1:

    MAE - (1 - accuracy) = mean(u * (1 - 2 * wrong)) <= mean(u)

So no ground truth is needed where the map is certain, whatever its errors are there. Elsewhere a
pixel counts as wrong if the map of the mirrored image says otherwise. Two views of one network
share mistakes, so too few pixels count as wrong, and the difference is rather overestimated.
"""

import torch
from torch import Tensor

from sod.refinement.calibration import Calibration

BINS = 256
"""Levels of the values that are counted."""

SHARPEST = 0.01
"""Smallest temperature."""

STEPS = 400
"""Temperatures that are tried, from 1 down to the smallest in equal ratios."""


class ViewAgreement:
    """Counts pixels by their value in the map of an image and in that of the mirrored image.

    Attributes:
        joint: Float64 ``[BINS, BINS]``: the sum over images of the share of pixels.
        images: Number of images.
    """

    def __init__(self) -> None:
        self.joint = torch.zeros(BINS, BINS, dtype=torch.float64)
        self.images = 0

    def add(self, saliency: Tensor, view: Tensor) -> None:
        """Add an image.

        Args:
            saliency: Its map, of any shape, in [0, 1].
            view: The map of the mirrored image, mirrored back.
        """
        first, second = _levels(saliency), _levels(view)
        counts = torch.bincount((BINS * first + second).flatten(), minlength=BINS**2)
        self.joint += counts.cpu().double().view(BINS, BINS) / first.numel()
        self.images += 1

    def calibration(self, tolerance: float) -> Calibration:
        """Return the softest calibration whose maps are sharp enough.

        Args:
            tolerance: Largest difference between the mean absolute error and the error of the mask
                at 0.5, above 0.

        Returns:
            A temperature of at most 1: maps that are sharp enough stay as they are.
        """
        centres = (torch.arange(BINS, dtype=torch.float64) + 0.5) / BINS
        temperatures = SHARPEST ** (torch.arange(STEPS + 1, dtype=torch.float64) / STEPS)
        distance = torch.logit(centres).abs()
        uncertainty = torch.sigmoid(-distance / temperatures[:, None])
        differences = uncertainty @ self._balance()
        first = int((differences <= tolerance).int().argmax())
        return Calibration(float(temperatures[first]))

    def _balance(self) -> Tensor:
        """Return the share of pixels of each level that agree, less the share that do not."""
        above = torch.arange(BINS) >= BINS // 2
        sign = torch.where(above[:, None] == above, 1.0, -1.0).double()
        return (self.joint * sign).sum(1) / max(self.images, 1)


def _levels(saliency: Tensor) -> Tensor:
    return (saliency.float() * BINS).long().clamp(0, BINS - 1)
