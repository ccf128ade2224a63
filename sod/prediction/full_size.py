"""The size of the results of images that were predicted at a smaller one."""

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from sod.data.image_files import stated_size
from sod.data.levels import to_levels
from sod.data.reading import read_image
from sod.data.samples import Sample
from sod.data.working_size import limited_size, shrunk
from sod.nn.resize import resize

Array = NDArray[np.uint8]


def result_size(sample: Sample, image: Tensor, max_side: int | None = None) -> tuple[int, int]:
    """Return the height and width of the results of a predicted image: its own, or the limited one.

    Args:
        sample: The image's file, of which the size is read.
        image: As predicted, ``[3, h, w]``.
        max_side: Pixels of the longer side of the results at most; None: no limit.

    Raises:
        ImageError: The file has to be read, and cannot be read any more.
    """
    height, width = image.shape[-2:]
    stated = stated_size(sample.image)
    if stated[0] * stated[1] <= height * width:
        return height, width
    size = limited_size(*_upright(stated, sample, (height, width)), max_side)
    # A file that was decoded at a part of its size has its sides rounded up.
    same = max(abs(size[0] - height), abs(size[1] - width)) <= 1
    return (height, width) if same or size[0] * size[1] < height * width else size


def full_pixels(sample: Sample, image: Tensor, max_side: int | None = None) -> Array:
    """Return the pixels, uint8 ``[H, W, 3]``, of a predicted image at the size of its results.

    Args:
        sample: The image's file, which is read again if it was shrunk.
        image: As predicted, ``[3, h, w]`` in [0, 1].
        max_side: As of :func:`result_size`.

    Raises:
        ImageError: The file cannot be read any more.
    """
    size = result_size(sample, image, max_side)
    if size == tuple(image.shape[-2:]):
        return to_pixels(image)
    return shrunk(read_image(sample.image), size)


def to_pixels(image: Tensor) -> Array:
    """Return an image ``[3, h, w]`` in [0, 1] as uint8 ``[h, w, 3]``."""
    return np.asarray(to_levels(image).permute(1, 2, 0).cpu().numpy())


def own_size(sample: Sample, image: Tensor, saliency: Tensor) -> Tensor:
    """Return a map ``[h, w]`` of a predicted image at the image's own size, in [0, 1].

    Raises:
        ImageError: As :func:`full_pixels`.
    """
    size = result_size(sample, image)
    if size == tuple(image.shape[-2:]):
        return saliency
    return resize(saliency[None, None].float(), size)[0, 0].clamp_(0, 1)


def full_map(saliency: Tensor, size: tuple[int, int]) -> NDArray[np.float32]:
    """Return a map ``[h, w]`` at the image's own size, ``[H, W]`` in [0, 1]."""
    values = resize(saliency[None, None].float(), size)[0, 0].clamp(0, 1)
    return np.asarray(values.cpu().numpy(), np.float32)


def _upright(
    stated: tuple[int, int], sample: Sample, predicted: tuple[int, int]
) -> tuple[int, int]:
    """Return the size of an image upright: that of its file, turned where the prediction is.

    The shape of the prediction tells it without a look at the EXIF orientation, for which a PNG
    file would have to be decoded. Only of nearly square images it does not.
    """
    height, width = stated
    if height == width:
        return stated
    if predicted[0] == predicted[1]:
        pixels = read_image(sample.image)
        return pixels.shape[0], pixels.shape[1]
    turned = (predicted[0] < predicted[1]) != (height < width)
    return (width, height) if turned else stated
