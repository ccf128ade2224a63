"""The common base of everything that turns images into dense features."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from typing_extensions import Self


class Backbone(nn.Module):
    """A frozen map from images to a grid of features.

    A call takes float images ``[B, 3, H, W]`` in [0, 1], H and W any multiples of ``patch_size``,
    and returns features ``[B, channels, H / patch_size, W / patch_size]``. The images are
    normalised inside. Backbones stay in evaluation mode, whatever mode their owner is put in.

    Attributes:
        patch_size: Side of the square that one feature describes, in pixels.
        channels: Number of channels of the features.
        widths: Channels of each part of the features; the first part is the backbone's own facet.
        mean: Mean colour that is subtracted, ``[3]``; the colour to pad with.
        std: Standard deviation that is divided by, ``[3]``.
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
        """Stay in evaluation mode.

        Args:
            mode: Ignored.
        """
        return super().train(False)

    def freeze(self) -> Self:
        """Take all parameters out of training and switch to evaluation mode."""
        return self.requires_grad_(False).eval()

    def grid(self, images: Tensor) -> tuple[int, int]:
        """Return rows and columns of the features of ``images``.

        Raises:
            ValueError: If a side is not a multiple of the patch size.
        """
        height, width = images.shape[-2:]
        if height % self.patch_size or width % self.patch_size or not height * width:
            raise ValueError(f"{height}x{width} images, but patches of {self.patch_size} pixels")
        return height // self.patch_size, width // self.patch_size

    def normalise(self, images: Tensor) -> Tensor:
        """Return ``(images - mean) / std`` per channel."""
        return (images - self.mean.view(-1, 1, 1)) / self.std.view(-1, 1, 1)
