"""The centre box: a baseline that ignores the image."""

import torch
from torch import Tensor

from sod.engine.method import Method


class CentreBox(Method):
    """Predicts the same centred box for every image.

    Args:
        share: The box's sides as a share of the image's, in (0, 1].
    """

    def __init__(self, share: float = 0.6) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.share = share

    def saliency(self, images: Tensor) -> Tensor:
        """Return the box, 1 inside and 0 outside; a pixel is inside if its centre is."""
        height, width = images.shape[-2:]
        rows, columns = (self._inside(side, images.device) for side in (height, width))
        box = (rows[:, None] & columns[None]).float()
        return box.expand(images.shape[0], 1, height, width)

    def _inside(self, side: int, device: torch.device) -> Tensor:
        centres = (torch.arange(side, dtype=torch.float32, device=device) + 0.5) / side
        return (centres - 0.5).abs() <= self.share / 2
