"""Linear head on frozen patch features."""

import torch
from torch import Tensor, nn

from sod.core.precision import full_precision_region
from sod.nn.precision import KeepsPrecision
from sod.nn.standardise import Standardise


class PatchHead(KeepsPrecision):
    """A 1×1 convolution to one logit per patch, the only trained part of FOUND and PEEKABOO.

    It is small: its weights, their training and the logits are float32 whatever the precision of
    the run, which then concerns the backbone alone.

    Args:
        channels: Number of channels of the features.
        standardise: Standardise the features first; published: no.
        zero_init: Initialise the weights to zero, instead of PyTorch's random initialisation.
    """

    def __init__(self, channels: int, standardise: bool = False, zero_init: bool = False) -> None:
        super().__init__()
        self.standardise = Standardise(channels) if standardise else None
        self.predict = nn.Conv2d(channels, 1, kernel_size=1)
        self.zero_init = zero_init
        if zero_init:
            self.reset()

    def reset(self, seed: int | None = None) -> None:
        """Reinitialise the weights; the statistics of the features are kept.

        Args:
            seed: Seed of the new weights, the same in all processes; None uses the global
                generator of PyTorch.
        """
        with torch.random.fork_rng([], enabled=seed is not None):
            if seed is not None:
                torch.manual_seed(seed)
            self.predict.reset_parameters()
        if self.zero_init:
            for parameter in self.predict.parameters():
                nn.init.zeros_(parameter)

    def observe(self, features: Tensor) -> None:
        """Add a training batch ``[B, C, h, w]`` to the statistics of the features, if any."""
        if self.standardise is not None:
            self.standardise.observe(features)

    @full_precision_region
    def forward(self, features: Tensor) -> Tensor:
        """Return logits ``[B, 1, h, w]`` of features ``[B, C, h, w]``."""
        if self.standardise is not None:
            features = self.standardise(features)
        logits: Tensor = self.predict(features.to(self.predict.weight.dtype))
        return logits
