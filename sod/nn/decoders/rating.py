"""A light network that rates the mask of an image by frozen features."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sod.core.precision import full_precision_region
from sod.nn.layers import convolution
from sod.nn.precision import KeepsPrecision


class MaskRater(KeepsPrecision):
    """Rates masks by what lies inside and outside of them, in float32.

    Args:
        channels: Channels of the features.
        finer: Pixels of a mask along each side of a feature's cell.
        width: Channels of the convolutions.
    """

    def __init__(self, channels: int, finer: int, width: int = 32) -> None:
        super().__init__()
        self.finer = finer
        self.features = convolution(channels, width, 1)
        self.mask = convolution(finer**2, width, 1)
        self.trunk = nn.Sequential(convolution(2 * width, width), convolution(width, width))
        self.rating = nn.Sequential(nn.Linear(5 * width, width), nn.ReLU(), nn.Linear(width, 1))

    @full_precision_region
    def forward(self, features: Tensor, masks: Tensor) -> Tensor:
        """Return the logits of the ratings, ``[B]``.

        Args:
            features: ``[B, C, g, g]``.
            masks: ``[B, finer * g, finer * g]`` in [0, 1].
        """
        seen, masks = self.features(features.float()), masks.float()[:, None]
        parts = F.pixel_unshuffle(2 * masks - 1, self.finer)
        joint = self.trunk(torch.cat([seen, self.mask(parts)], 1))
        inside = F.avg_pool2d(masks, self.finer)
        pooled = [_mean(seen, inside), _mean(seen, 1 - inside), _mean(joint, inside),
                  _mean(joint, 1 - inside), joint.amax((2, 3))]  # fmt: skip
        logits: Tensor = self.rating(torch.cat(pooled, 1))
        return logits[:, 0]


def _mean(features: Tensor, weights: Tensor) -> Tensor:
    """Return the weighted means ``[B, C]`` of features ``[B, C, g, g]``."""
    return (features * weights).sum((2, 3)) / weights.sum((2, 3)).clamp(min=1)
