"""The own size of images that were predicted at a smaller one."""

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from sod.data.image_files import stated_pixels
from sod.data.levels import to_levels
from sod.data.reading import read_image
from sod.data.samples import Sample
from sod.nn.resize import resize

Array = NDArray[np.uint8]


def full_pixels(sample: Sample, image: Tensor) -> Array:
    """Return the pixels, uint8 ``[H, W, 3]``, of a predicted image at its own size.

    Args:
        sample: The image's file, which is read again if it was shrunk.
        image: As predicted, ``[3, h, w]`` in [0, 1].

    Raises:
        ImageError: The file cannot be read any more.
    """
    if _was_shrunk(sample, image):
        return read_image(sample.image)
    return np.asarray(to_levels(image).permute(1, 2, 0).cpu().numpy())


def own_size(sample: Sample, image: Tensor, saliency: Tensor) -> Tensor:
    """Return a map ``[h, w]`` of a predicted image at the image's own size, in [0, 1].

    Raises:
        ImageError: As :func:`full_pixels`.
    """
    if not _was_shrunk(sample, image):
        return saliency
    height, width = read_image(sample.image).shape[:2]
    return resize(saliency[None, None].float(), (height, width))[0, 0].clamp(0, 1)


def full_map(saliency: Tensor, size: tuple[int, int]) -> NDArray[np.float32]:
    """Return a map ``[h, w]`` at the image's own size, ``[H, W]`` in [0, 1]."""
    values = resize(saliency[None, None].float(), size)[0, 0].clamp(0, 1)
    return np.asarray(values.cpu().numpy(), np.float32)


def _was_shrunk(sample: Sample, image: Tensor) -> bool:
    return stated_pixels(sample.image) > image.shape[-2] * image.shape[-1]
