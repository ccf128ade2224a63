"""Sizes, padding and resampling of images and maps."""

import math

import torch.nn.functional as F
from torch import Tensor

from sod.core.precision import full_precision_region
from sod.nn.lanczos import resample_columns, resample_rows


def saliency_size(height: int, width: int, patch_size: int) -> tuple[int, int]:
    """Return the input size of TokenCut's saliency: the nearest multiples of the patch size.

    Halves are rounded to the even multiple, as in Python's ``round``; the minimum is one patch.

    Args:
        height: Height of the image in pixels.
        width: Width of the image in pixels.
        patch_size: Side of a patch in pixels.

    Returns:
        Height and width in pixels.
    """
    return _nearest(height, patch_size), _nearest(width, patch_size)


def working_size(
    height: int, width: int, patch_size: int, scale: float = 1.0, max_tokens: int = 6400
) -> tuple[int, int]:
    """Return the size at which features are computed, before it is made a multiple of the patch.

    Args:
        height: Height of the image in pixels.
        width: Width of the image in pixels.
        patch_size: Side of a patch in pixels.
        scale: Factor on the size of the image.
        max_tokens: Images with more tokens are shrunk to this number.

    Returns:
        Height and width in pixels, at least 1.
    """
    tokens = max(height * scale / patch_size, 1) * max(width * scale / patch_size, 1)
    factor = scale * min(1.0, (max_tokens / tokens) ** 0.5)
    return max(round(height * factor), 1), max(round(width * factor), 1)


def _nearest(side: int, patch_size: int) -> int:
    """Return the nearest multiple of the patch size, at least one patch."""
    return max(1, round(side / patch_size)) * patch_size


def discovery_pad(images: Tensor, patch_size: int, mean: Tensor) -> Tensor:
    """Pad images right and below to multiples of the patch size, as in TokenCut's discovery.

    The published code pads normalised images with zeros. Here backbones normalise images
    themselves, so that the equivalent padding is the mean colour.

    Args:
        images: ``[B, 3, H, W]`` in [0, 1].
        patch_size: Side of a patch in pixels.
        mean: The backbone's mean colour, three values (``backbone.mean``).

    Returns:
        ``[B, 3, H', W']``, both sides rounded up to multiples, the image in the upper left.
    """
    count, _, height, width = images.shape
    bottom, right = (math.ceil(side / patch_size) * patch_size for side in (height, width))
    padded = mean.to(images).view(1, -1, 1, 1).repeat(count, 1, bottom, right)
    padded[..., :height, :width] = images
    return padded


def pad_to_multiple(images: Tensor, multiple: int) -> Tensor:
    """Pad images ``[B, C, H, W]`` right and below to multiples by repeating the last pixels."""
    height, width = images.shape[-2:]
    bottom, right = -height % multiple, -width % multiple
    if not bottom and not right:
        return images
    return F.pad(images, (0, right, 0, bottom), mode="replicate")


def resize(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize maps ``[B, C, H, W]`` bilinearly, with half-pixel centres."""
    if maps.shape[-2:] == size:
        return maps
    return F.interpolate(maps, size, mode="bilinear", align_corners=False)


@full_precision_region
def lanczos_resize(images: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize images like Pillow's LANCZOS filter for 8-bit images, on any device and in batches.

    As in Pillow, the kernel is widened for downscaling, the width is resized before the height,
    and values are rounded to 8 bits after each. A side whose size does not change is not filtered.

    Args:
        images: ``[..., H, W]`` in [0, 1], rounded to multiples of 1/255.
        size: New height and width in pixels.

    Returns:
        ``[..., *size]`` in [0, 1], float32; within 1/255 of Pillow's result.
    """
    height, width = size
    levels = (images.float() * 255).round()
    if width != levels.shape[-1]:
        levels = _to_8_bits(resample_columns(levels, width))
    if height != levels.shape[-2]:
        levels = _to_8_bits(resample_rows(levels, height))
    return levels / 255


def _to_8_bits(levels: Tensor) -> Tensor:
    """Round to the nearest integers in [0, 255], halves upwards."""
    return (levels + 0.5).floor().clamp(0, 255)
