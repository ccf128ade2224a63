"""Reading and writing of saliency maps: 8-bit images and NumPy arrays."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from sod.core.errors import ImageError, SodError
from sod.data.levels import from_levels, to_levels
from sod.data.reading import read_mask


def write_map(path: Path, saliency: Tensor) -> None:
    """Write saliency ``[H, W]`` in [0, 1] as an 8-bit PNG.

    Raises:
        SodError: The file cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(to_levels(saliency).cpu().numpy()).save(path)
    except OSError as error:
        raise SodError(f"{path}: cannot be written: {error.strerror}.") from error


def read_map(path: Path) -> Tensor:
    """Read a saliency map as float32 ``[H, W]`` in [0, 1].

    Args:
        path: An image file, or a ``.npy`` array ``[H, W]`` (leading axes of length 1 are dropped),
            either of floats in [0, 1] or uint8. 8-bit values are divided by 255.

    Raises:
        ImageError: The file cannot be read, or the array has another shape or range.
    """
    if path.suffix.lower() != ".npy":
        return from_levels(torch.from_numpy(read_mask(path)))
    try:
        values = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise ImageError(f"{path}: cannot be read as an array: {error}") from error
    if values.ndim > 2 and values.size == values.shape[-2] * values.shape[-1]:
        values = values.reshape(values.shape[-2:])
    if values.dtype == np.uint8:
        values = values / 255
    if values.ndim != 2 or not np.all((values >= 0) & (values <= 1)):
        raise ImageError(f"{path}: expected an array [H, W] in [0, 1], or of uint8.")
    return torch.from_numpy(values.astype(np.float32))
