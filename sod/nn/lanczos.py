"""The weights of Lanczos resampling, as bands: a new sample depends on few old ones.

A dense matrix ``[new, old]`` takes gigabytes for an image with one long side.
"""

from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor

BLOCK = 64
"""New samples per band; the bands of one resampling hold about ``old * (BLOCK + 6)`` weights."""


class Band(NamedTuple):
    """The weights of consecutive new samples.

    Args:
        start: The first old sample that has a weight.
        weights: ``[new, old]``, for at most ``BLOCK`` new samples and the old ones from ``start``.
    """

    start: int
    weights: Tensor


def resample_columns(levels: Tensor, new: int) -> Tensor:
    """Resample ``[..., H, W]`` to ``[..., H, new]``."""
    bands = lanczos_bands(levels.shape[-1], new)
    parts = [
        levels[..., band.start : band.start + band.weights.shape[1]]
        @ band.weights.to(levels.device).T
        for band in bands
    ]
    return torch.cat(parts, dim=-1)


def resample_rows(levels: Tensor, new: int) -> Tensor:
    """Resample ``[..., H, W]`` to ``[..., new, W]``."""
    bands = lanczos_bands(levels.shape[-2], new)
    parts = [
        band.weights.to(levels.device)
        @ levels[..., band.start : band.start + band.weights.shape[1], :]
        for band in bands
    ]
    return torch.cat(parts, dim=-2)


@lru_cache(maxsize=8)
def lanczos_bands(old: int, new: int) -> tuple[Band, ...]:
    """Return the weights of the old samples in all new samples, in order.

    The kernel is widened for downscaling. Each row of weights sums to 1.

    Args:
        old: Number of old samples.
        new: Number of new samples.
    """
    return tuple(_band(old, new, first) for first in range(0, new, BLOCK))


def _band(old: int, new: int, first_new: int) -> Band:
    scale = max(old / new, 1.0)
    reach = 3 * scale
    number = torch.arange(first_new, min(first_new + BLOCK, new), dtype=torch.float64)
    centre = (number + 0.5) * (old / new)
    first = (centre - reach + 0.5).floor().clamp_min(0)
    last = (centre + reach + 0.5).floor().clamp_max(old)
    start, stop = int(first[0]), int(last[-1])
    position = torch.arange(start, stop, dtype=torch.float64)
    offset = (position + 0.5 - centre[:, None]) / scale
    weights = torch.special.sinc(offset) * torch.special.sinc(offset / 3)
    inside = (position >= first[:, None]) & (position < last[:, None]) & (offset.abs() < 3)
    weights = torch.where(inside, weights, 0)
    return Band(start, (weights / weights.sum(dim=1, keepdim=True)).float())
