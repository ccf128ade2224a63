"""Inference with a patch-based model: images of any size to logits of the same size."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from sod.core.errors import SodError
from sod.nn.resize import discovery_pad, lanczos_resize, saliency_size


@dataclass(frozen=True)
class InferenceConfig:
    """Input sizes and test-time augmentation of inference.

    Args:
        fit: ``pad`` images to multiples of the patch size with the mean colour (published), or
            ``resize`` them to the nearest multiples.
        scales: Scale factors of the image; the logits of all are averaged. Published: 1.
        flip: Also average with the logits of the mirrored image. Published: no.
        propagate: Propagate logits between similar patches, with this weight of the others in each
            step (:func:`sod.nn.propagation.propagate`). Published: 0.
        bias: Added to the logits; negative values give less foreground. Published: 0.
        max_tokens: Larger images are downscaled to at most this many tokens, to bound memory.
    """

    fit: Literal["pad", "resize"] = "pad"
    scales: tuple[float, ...] = (1.0,)
    flip: bool = False
    propagate: float = 0.0
    bias: float = 0.0
    max_tokens: int = 6400

    def __post_init__(self) -> None:
        """Raise an error that names the field of an invalid value."""
        if self.fit not in ("pad", "resize"):
            raise SodError(f"inference.fit: '{self.fit}' is none of pad, resize")
        if not self.scales or min(self.scales) <= 0:
            raise SodError(f"inference.scales: {self.scales} must be factors above 0")
        if not 0 <= self.propagate < 1:
            raise SodError(f"inference.propagate: {self.propagate} is not in [0, 1)")


@dataclass(frozen=True)
class PatchModel:
    """A patch-based model, and how images of any size are given to it.

    Args:
        model: Maps images ``[B, 3, H, W]`` to logits ``[B, 1, h, w]``; the sides of the images are
            multiples of the patch size.
        config: Input sizes and test-time augmentation.
        patch_size: Side of a patch in pixels.
        mean: Padding colour, ``[3]``.
    """

    model: Callable[[Tensor], Tensor]
    config: InferenceConfig
    patch_size: int
    mean: Tensor

    def logits(self, images: Tensor) -> Tensor:
        """Return logits ``[B, 1, H, W]`` of images ``[B, 3, H, W]`` of any size."""
        return image_logits(self.model, images, self.config, self.patch_size, self.mean)


def image_logits(
    model: Callable[[Tensor], Tensor],
    images: Tensor,
    config: InferenceConfig,
    patch_size: int,
    mean: Tensor,
) -> Tensor:
    """Return logits at the size of the images, upsampled from the patches before any sigmoid.

    Args:
        model: Maps images ``[B, 3, H, W]`` to logits ``[B, 1, h, w]``; the sides of the images are
            multiples of the patch size.
        images: ``[B, 3, H, W]`` in [0, 1], of any size.
        config: Input sizes and test-time augmentation.
        patch_size: Side of a patch in pixels.
        mean: Padding colour, ``[3]``.

    Returns:
        ``[B, 1, H, W]`` in float32.
    """
    views = [
        _logits_at(model, images, factor, config, patch_size, mean) for factor in config.scales
    ]
    if config.flip:
        mirrored = images.flip(-1)
        views += [
            _logits_at(model, mirrored, factor, config, patch_size, mean).flip(-1)
            for factor in config.scales
        ]
    return torch.stack(views).mean(0) + config.bias


def bounded_size(
    size: tuple[int, int], factor: float, max_tokens: int, patch_size: int
) -> tuple[int, int]:
    """Return the height and width at which an image is looked at.

    Args:
        size: Its height and width in pixels.
        factor: Scale factor; it is reduced where there would be too many patches.
        max_tokens: The largest number of patches.
        patch_size: Side of a patch in pixels.
    """
    tokens = max(size[0] * size[1] * factor**2 / patch_size**2, 1)
    factor *= min(1.0, (max_tokens / tokens) ** 0.5)
    return max(1, round(size[0] * factor)), max(1, round(size[1] * factor))


def _logits_at(
    model: Callable[[Tensor], Tensor],
    images: Tensor,
    factor: float,
    config: InferenceConfig,
    patch_size: int,
    mean: Tensor,
) -> Tensor:
    """Return the logits of images scaled by a factor, at the original size of the images."""
    size = images.shape[-2:]
    height, width = bounded_size((size[0], size[1]), factor, config.max_tokens, patch_size)
    if config.fit == "resize":
        height, width = saliency_size(height, width, patch_size)
    scaled = images
    if (height, width) != tuple(size):
        scaled = lanczos_resize(images, (height, width)).to(images.dtype)
    if config.fit == "pad":
        scaled = discovery_pad(scaled, patch_size, mean)
    logits = F.interpolate(
        model(scaled).float(), scaled.shape[-2:], mode="bilinear", align_corners=False
    )[..., :height, :width]
    if (height, width) == tuple(size):
        return logits
    return F.interpolate(logits, tuple(size), mode="bilinear", align_corners=False)
