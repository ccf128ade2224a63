"""Reading and writing of saliency maps: 8-bit images and NumPy arrays."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor

from sod.core.errors import ImageError
from sod.data.levels import from_levels, to_levels
from sod.data.pictures import write_picture
from sod.data.reading import read_mask


def write_map(path: Path, saliency: Tensor) -> None:
    """Write saliency ``[H, W]`` in [0, 1] as an 8-bit PNG, completely or not at all.

    Raises:
        SodError: The file cannot be written.
    """
    write_picture(path, Image.fromarray(to_levels(saliency).cpu().numpy()))


def check_map(saliency: Tensor, image: Path) -> None:
    """Check that a predicted map consists of numbers.

    Args:
        saliency: The map.
        image: The file of its image, for the message.

    Raises:
        ImageError: It holds a value that is not finite.
    """
    if not bool(torch.isfinite(saliency).all()):
        raise ImageError(
            f"{image}: its map is not finite: check the weights, the options and the precision"
        )


def read_map(path: Path) -> Tensor:
    """Read a saliency map as float32 ``[H, W]`` in [0, 1].

    Args:
        path: An image file, or a ``.npy`` array ``[H, W]`` (leading axes of length 1 are dropped),
            of floats in [0, 1], uint8 or uint16, which are divided by their largest value. Images
            of more than 8 bits are reduced to 8.

    Raises:
        ImageError: The file cannot be read, or the array has another shape or range.
    """
    if path.suffix.lower() != ".npy":
        return from_levels(torch.from_numpy(read_mask(path)))
    values = _load_array(path)
    if values.ndim > 2 and values.size == values.shape[-2] * values.shape[-1]:
        values = values.reshape(values.shape[-2:])
    if values.ndim != 2 or not values.size or values.dtype.kind not in "buif":
        raise ImageError(f"{path}: expected an array [H, W] of numbers, not {values.shape}.")
    if values.dtype in (np.uint8, np.uint16):
        values = values / np.iinfo(values.dtype).max
    if not np.isfinite(values).all():
        raise ImageError(f"{path}: holds values that are not finite.")
    if values.min() < 0 or values.max() > 1:
        raise ImageError(f"{path}: expected values in [0, 1], of uint8 or of uint16.")
    return torch.from_numpy(values.astype(np.float32))


def _load_array(path: Path) -> npt.NDArray[Any]:
    """Load an array that is stored without pickle."""
    if not path.is_file():
        raise ImageError(f"{path}: there is no such regular file.")
    try:
        values = np.load(path, allow_pickle=False)
    except Exception as error:  # a damaged header raises many kinds
        detail = " ".join(str(error).split())
        raise ImageError(f"{path}: cannot be read as an array: {detail}") from error
    if not isinstance(values, np.ndarray):
        raise ImageError(f"{path}: is an archive of arrays, not one array.")
    return values
