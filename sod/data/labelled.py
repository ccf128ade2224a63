"""Images as they are read with their masks, before any transform."""

from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from sod.core.errors import ImageError
from sod.data.reading import read_image, read_mask
from sod.data.samples import Sample
from sod.data.transforms import resize_mask

Array = npt.NDArray[np.uint8]


class Scene(NamedTuple):
    """A labelled image before its transform.

    Args:
        sample: The sample that it shows.
        image: Uint8 ``[H, W, 3]``.
        mask: Uint8 ``[H, W]``, 0..255.
    """

    sample: Sample
    image: Array
    mask: Array


class Scenes(Protocol):
    """Reads a sample and composes it with others, as :mod:`sod.data.scenes` does."""

    def __call__(self, sample: Sample, seed: tuple[int, int, int]) -> Scene:
        """Return the scene; an ImageError names a file that cannot be read."""


def read_labelled(sample: Sample) -> tuple[Array, Array]:
    """Read an image, uint8 ``[H, W, 3]``, and its mask, uint8 ``[H, W]``.

    Raises:
        ImageError: A file cannot be read, or there is no mask.
    """
    image = read_image(sample.image)
    mask = mask_of(sample, image)
    if mask is None:
        raise ImageError(f"{sample.image}: has no mask; add it or remove the image")
    return image, mask


def mask_of(sample: Sample, image: Array) -> Array | None:
    """Read the mask of an image, uint8 ``[H, W]``; None without one.

    Raises:
        ImageError: It cannot be read, or has another size than its image.
    """
    if sample.mask is None:
        return None
    mask = read_mask(sample.mask)
    height, width = image.shape[:2]
    if mask.shape == (height, width):
        return mask
    if sample.fit_mask:
        return resize_mask(mask, height, width)
    raise ImageError(
        f"{sample.mask}: is {mask.shape[1]}x{mask.shape[0]}, but its image {sample.image} is "
        f"{width}x{height}; `sod data check` lists every such pair"
    )
