"""S-measure: structural similarity of a map and its mask."""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

_EPS = 2.0**-52


class _Moments(NamedTuple):
    """Sample moments of map x and mask y over a region (sums of squares over N - 1)."""

    mean: Tensor
    mask_mean: Tensor
    variance: Tensor
    mask_variance: Tensor
    covariance: Tensor


def s_measure(
    values: Tensor, foreground: Tensor, alpha: float = 0.5, *, rounded_means: bool = False
) -> Tensor:
    """Return the structure measure of one image, in [0, 1].

    Args:
        values: float64 ``[H, W]`` in [0, 1].
        foreground: bool ``[H, W]``.
        alpha: weight of the object term against the region term.
        rounded_means: reproduce a rounding of PySODMetrics. A region where map and mask are both
            constant scores 1; there, it scores 0 if the constant's mean in float64 comes out
            unequal to the constant, which depends on value, shape and order of summation.

    Returns:
        A scalar. An empty mask gives 1 - mean(S), a full one mean(S). A quadrant without pixels
        (the centroid rounds to the last row or column) counts nothing; PySODMetrics gives NaN.

    Source: Fan et al., ICCV 2017, equations 1-8, with the quadrants of the authors' code.
    """
    share = foreground.double().mean()
    if share == 0:
        return 1 - values.mean()
    if share == 1:
        return values.mean()
    score = alpha * _object(values, foreground) + (1 - alpha) * _region(
        values, foreground, rounded_means
    )
    return score.clamp(min=0)


def _object(values: Tensor, foreground: Tensor) -> Tensor:
    share = foreground.double().mean()
    inside = _likeness(values[foreground])
    outside = _likeness(1 - values[~foreground])
    return share * inside + (1 - share) * outside


def _likeness(values: Tensor) -> Tensor:
    mean = values.mean()
    spread = values.std() if values.numel() > 1 else torch.zeros_like(mean)
    return 2 * mean / (mean**2 + 1 + spread + _EPS)


def _region(values: Tensor, foreground: Tensor, rounded_means: bool) -> Tensor:
    height, width = foreground.shape
    row, column = _centre(foreground)
    score = values.new_zeros(())
    for rows in (slice(0, row), slice(row, height)):
        for columns in (slice(0, column), slice(column, width)):
            part = values[rows, columns]
            if part.numel():
                similarity = _similarity(part, foreground[rows, columns], rounded_means)
                score = score + similarity * (part.numel() / foreground.numel())
    return score


def _centre(foreground: Tensor) -> tuple[int, int]:
    """Return the foreground's rounded centroid, one added: the size of the upper left quadrant."""
    height, width = foreground.shape
    rows, columns = foreground.sum(1).double(), foreground.sum(0).double()
    total = rows.sum()
    row = rows @ torch.arange(height, dtype=rows.dtype, device=rows.device) / total
    column = columns @ torch.arange(width, dtype=rows.dtype, device=rows.device) / total
    middle = torch.stack([row, column]).round().long().tolist()
    return middle[0] + 1, middle[1] + 1


def _similarity(values: Tensor, foreground: Tensor, rounded_means: bool) -> Tensor:
    moments = _moments(values, foreground)
    upper = 4 * moments.mean * moments.mask_mean * moments.covariance
    lower = (moments.mean**2 + moments.mask_mean**2) * (moments.variance + moments.mask_variance)
    flat = (lower == 0) & (upper == 0)
    if rounded_means and bool(flat) and not _mean_is_exact(values):
        return torch.zeros_like(upper)
    return torch.where(flat, 1.0, upper / (lower + _EPS))


def _moments(values: Tensor, foreground: Tensor) -> _Moments:
    count = values.numel()
    mask = foreground.double()
    shifted = values - values[0, 0]  # a constant region gets a variance of exactly 0
    total, positive = shifted.sum(), mask.sum()
    freedom = count - 1 + _EPS
    variance = ((shifted**2).sum() - total**2 / count) / freedom
    mask_variance = positive * (1 - positive / count) / freedom
    covariance = ((shifted * mask).sum() - total * positive / count) / freedom
    mixed = (positive > 0) & (positive < count)
    return _Moments(
        values[0, 0] + total / count,
        positive / count,
        variance.clamp(min=0),
        mask_variance,
        covariance * mixed,
    )


def _mean_is_exact(values: Tensor) -> bool:
    """Whether NumPy's mean of a constant region, summed in its memory order, is the constant."""
    value = values[0, 0].item()
    stride = values.stride(0)
    region = np.full((values.shape[0], stride), value)[:, : values.shape[1]]
    return bool(region.mean() == value)
