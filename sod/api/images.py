"""Images in any form, as the tensors that methods take."""

import os
from pathlib import Path
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from sod.core.errors import SodError
from sod.data.levels import to_levels
from sod.data.reading import read_image, rgb_pixels, to_tensor

Picture: TypeAlias = str | os.PathLike[str] | Image.Image | NDArray[np.generic]
"""An image that is no tensor."""

ImageLike: TypeAlias = Picture | Tensor
"""A path, a PIL image, an array ``[H, W, 3 or 4]`` or ``[H, W]``, or a tensor ``[3, H, W]``.

Integers are in 0..255, floats in [0, 1]; colours are RGB.
"""


def image_tensor(image: ImageLike) -> Tensor:
    """Return an image as float32 RGB ``[3, H, W]`` in [0, 1].

    Args:
        image: The image; of a file or PIL image the EXIF orientation is applied, and transparent
            pixels are laid on white.

    Raises:
        SodError: The file cannot be read, or the shape or the values are none of an image.
    """
    if isinstance(image, Tensor):
        return _checked(image.detach())
    if isinstance(image, str | os.PathLike):
        return to_tensor(read_image(Path(image)))
    if isinstance(image, Image.Image):
        return to_tensor(rgb_pixels(image))
    array = np.asarray(image)
    if array.ndim == 2 or (array.ndim == 3 and array.shape[2] in (3, 4)):
        if array.dtype == np.uint8:
            return to_tensor(rgb_pixels(Image.fromarray(array)))
        if array.ndim == 3 and array.shape[2] == 3:
            return _checked(torch.from_numpy(np.ascontiguousarray(array.transpose(2, 0, 1))))
    raise SodError(
        f"image: an array of {array.dtype} of shape {list(array.shape)}; give uint8 [H, W], "
        "[H, W, 3] or [H, W, 4], or floats [H, W, 3] in [0, 1]."
    )


def pixels_of(image: Tensor) -> NDArray[np.uint8]:
    """Return an image, float ``[3, H, W]`` in [0, 1], as uint8 ``[H, W, 3]``."""
    return np.asarray(to_levels(image).permute(1, 2, 0).cpu().numpy(), dtype=np.uint8)


def _checked(image: Tensor) -> Tensor:
    """Return a tensor ``[3, H, W]`` as float32 in [0, 1]."""
    if image.ndim != 3 or image.shape[0] != 3 or not image.numel():
        raise SodError(f"image: a tensor of shape {list(image.shape)}; give [3, H, W].")
    if not image.is_floating_point():
        return image.float() / 255
    low, high = float(image.min()), float(image.max())
    if not (low >= 0 and high <= 1):
        raise SodError(f"image: floats from {low:.3g} to {high:.3g}; give RGB in [0, 1].")
    return image.float()
