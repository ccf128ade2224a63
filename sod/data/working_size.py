"""Very large images: predicted at a bounded size, with results at their own."""

from collections import Counter
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from sod.data.groups import LARGEST
from sod.data.samples import Sample

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
        max_side: Pixels of the longer side of the results; None: those of the image.
    """

    def __init__(self, pixels: int | None = None, max_side: int | None = None) -> None:
        self.pixels = pixels
        self.max_side = max_side

    def size(self, height: int, width: int) -> tuple[int, int]:
        """Return the height and width at which an image of a size is predicted."""
        return working_size(*limited_size(height, width, self.max_side), self.pixels)

    def __call__(
        self, image: Array, mask: Array | None, seed: tuple[int, int, int]
    ) -> tuple[Array, Array | None]:
        """Return the image at the working size, and the mask as it is."""
        return shrunk(image, self.size(image.shape[0], image.shape[1])), mask


def at_working_size(image: Array, pixels: int | None = None) -> Array:
    """Return an image, uint8 ``[H, W, 3]``, at the size at which it is predicted."""
    return shrunk(image, working_size(image.shape[0], image.shape[1], pixels))


def shrunk(image: Array, size: tuple[int, int]) -> Array:
    """Return an image, uint8 ``[H, W, 3]``, at a smaller size: means over the area of a pixel."""
    height, width = size
    if (height, width) == image.shape[:2]:
        return image
    resized = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    return np.asarray(resized, np.uint8)


def group_pixels(samples: Sequence[Sample]) -> int:
    """Return the pixels of an image at which the largest group of the samples fits into memory."""
    largest = min(max(Counter(sample.group for sample in samples).values()), LARGEST)
    return min(WORKING_PIXELS, max(LEAST_PIXELS, GROUP_PIXELS // largest))


def limited_size(height: int, width: int, max_side: int | None) -> tuple[int, int]:
    """Return the height and width of the results of an image, the longer one at most ``max_side``.

    Args:
        height: Height of the image in pixels.
        width: Width of the image in pixels.
        max_side: The limit in pixels; None: none.
    """
    factor = 1.0 if max_side is None else min(1.0, max_side / max(height, width))
    return max(round(height * factor), 1), max(round(width * factor), 1)


def working_size(height: int, width: int, pixels: int | None = None) -> tuple[int, int]:
    """Return the height and width at which an image is predicted; ``pixels`` as of WorkingSize."""
    factor = min(1.0, ((pixels or WORKING_PIXELS) / (height * width)) ** 0.5)
    if factor == 1:
        return height, width
    return max(int(height * factor), 1), max(int(width * factor), 1)
