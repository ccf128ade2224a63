"""Base class of feature extractors."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from typing_extensions import Self


class Backbone(nn.Module):
    """Base class of frozen backbones, which map images to a grid of features.

    A call takes float images ``[B, 3, H, W]`` in [0, 1], H and W any multiples of ``patch_size``,
    and returns features ``[B, channels, H / patch_size, W / patch_size]``. Images are normalised
    inside. A backbone stays in evaluation mode, whatever the mode of the module that contains it.

    Attributes:
        patch_size: Side of the square patch that one feature describes, in pixels.
        channels: Number of feature channels.
        widths: Number of channels of each concatenated feature; the first is the configured facet.
        mean: Mean colour, ``[3]``; subtracted from images and used as the padding colour.
        std: Standard deviation of the colours, ``[3]``, by which images are divided.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self, patch_size: int, channels: int, mean: Sequence[float], std: Sequence[float]
    ) -> None:
        super().__init__()
        self.patch_size = patch_size
        self.channels = channels
        self.widths = [channels]
        self.register_buffer("mean", torch.tensor(mean), persistent=False)
        self.register_buffer("std", torch.tensor(std), persistent=False)

    def train(self, mode: bool = True) -> Self:
        """Keep evaluation mode.

        Args:
            mode: Ignored.
        """
        return super().train(False)

    def freeze(self) -> Self:
        """Disable the gradients of all parameters and switch to evaluation mode."""
        return self.requires_grad_(False).eval()

    def grid(self, images: Tensor) -> tuple[int, int]:
        """Return the numbers of rows and columns of the features of ``images``.

        Raises:
            ValueError: If a side is not a multiple of the patch size.
        """
        height, width = images.shape[-2:]
        if height % self.patch_size or width % self.patch_size or not height * width:
            raise ValueError(f"{height}x{width} images, but patches of {self.patch_size} pixels")
        return height // self.patch_size, width // self.patch_size

    def normalise(self, images: Tensor) -> Tensor:
        """Return ``(images - mean) / std`` per channel, in the precision of the weights."""
        return (images.to(self.mean.dtype) - self.mean.view(-1, 1, 1)) / self.std.view(-1, 1, 1)
