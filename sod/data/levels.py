"""Grey levels of stored images and maps: 0..255 for values in [0, 1]."""

import torch
from torch import Tensor


def to_levels(values: Tensor) -> Tensor:
    """Convert values, clipped to [0, 1], to the nearest grey levels, uint8 of the same shape."""
    return (values.float().clamp(0, 1) * 255).round().to(torch.uint8)


def from_levels(levels: Tensor) -> Tensor:
    """Convert grey levels 0..255 to float32 values in [0, 1] of the same shape."""
    return levels.float() / 255
