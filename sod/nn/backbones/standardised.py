"""A frozen backbone with standardised channels."""

from torch import Tensor
from typing_extensions import Self

from sod.nn.backbones.base import Backbone
from sod.nn.standardise import Standardise


class StandardisedBackbone(Backbone):
    """A frozen backbone whose channels are scaled to mean 0 and standard deviation 1.

    Args:
        backbone: The frozen backbone. The statistics of its features are collected in training
            mode, see :class:`sod.nn.standardise.Standardise`.
    """

    def __init__(self, backbone: Backbone) -> None:
        mean, std = backbone.mean.tolist(), backbone.std.tolist()
        super().__init__(backbone.patch_size, backbone.channels, mean, std)
        self.backbone = backbone
        self.standardise = Standardise(backbone.channels)

    def train(self, mode: bool = True) -> Self:
        """Set whether statistics are collected; the inner backbone stays in evaluation mode."""
        self.training = mode
        return self

    def forward(self, images: Tensor) -> Tensor:
        """Return features ``[B, channels, H / patch_size, W / patch_size]`` in their own dtype."""
        features: Tensor = self.backbone.features(images)
        if self.training:
            self.standardise.observe(features)
        standardised: Tensor = self.standardise(features)
        return standardised.to(features.dtype)
