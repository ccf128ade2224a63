"""Very large images: predicted at a bounded size, with results at their own."""

from collections import Counter
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from sod.data.groups import LARGEST
from sod.data.image_files import stated_pixels
from sod.data.levels import to_levels
from sod.data.reading import read_image
from sod.data.samples import Sample
from sod.nn.resize import resize

WORKING_PIXELS = 4096 * 4096
"""Images with more pixels are predicted, and their maps refined, at this many."""
GROUP_PIXELS = 12 * WORKING_PIXELS
"""Pixels of all images of a group together, 2.4 GB; each keeps at least ``LEAST_PIXELS``."""
LEAST_PIXELS = 1024 * 1024

Array = NDArray[np.uint8]


class WorkingSize:
    """Transform that shrinks large images.

    Args:
        pixels: Pixels of the largest image that keeps its size; None: ``WORKING_PIXELS``.
    """

    def __init__(self, pixels: int | None = None) -> None:
        self.pixels = pixels

    def __call__(
        self, image: Array, mask: Array | None, seed: tuple[int, int, int]
    ) -> tuple[Array, Array | None]:
        """Return the image at the working size, and the mask as it is."""
        height, width = working_size(image.shape[0], image.shape[1], self.pixels)
        if (height, width) == image.shape[:2]:
            return image, mask
        resized = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
        return np.asarray(resized, np.uint8), mask


def group_pixels(samples: Sequence[Sample]) -> int:
    """Return the pixels of an image at which the largest group of the samples fits into memory."""
    largest = min(max(Counter(sample.group for sample in samples).values()), LARGEST)
    return min(WORKING_PIXELS, max(LEAST_PIXELS, GROUP_PIXELS // largest))


def working_size(height: int, width: int, pixels: int | None = None) -> tuple[int, int]:
    """Return the height and width at which an image is predicted; ``pixels`` as of WorkingSize."""
    factor = min(1.0, ((pixels or WORKING_PIXELS) / (height * width)) ** 0.5)
    if factor == 1:
        return height, width
    return max(int(height * factor), 1), max(int(width * factor), 1)


def full_pixels(sample: Sample, image: Tensor) -> Array:
    """Return the pixels, uint8 ``[H, W, 3]``, of a predicted image at its own size.

    Args:
        sample: The image's file, which is read again if it was shrunk.
        image: As predicted, ``[3, h, w]`` in [0, 1].

    Raises:
        ImageError: The file cannot be read any more.
    """
    size = (image.shape[-2], image.shape[-1])
    if stated_pixels(sample.image) > size[0] * size[1]:
        return read_image(sample.image)
    return np.asarray(to_levels(image).permute(1, 2, 0).cpu().numpy())


def full_map(saliency: Tensor, size: tuple[int, int]) -> NDArray[np.float32]:
    """Return a map ``[h, w]`` at the image's own size, ``[H, W]`` in [0, 1]."""
    values = resize(saliency[None, None].float(), size)[0, 0].clamp(0, 1)
    return np.asarray(values.cpu().numpy(), np.float32)
