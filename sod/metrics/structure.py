"""S-measure: structural similarity of a map and its mask."""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

_EPS = 2.0**-52


class _Sums(NamedTuple):
    """Sums over a region, of which every term of the measure is made.

    The map is taken relative to ``origin``, one of its own values: so a constant region has a
    variance of exactly 0, which the region term asks for, and no digits cancel.
    """

    origin: Tensor
    pixels: int
    positive: Tensor
    total: Tensor
    square: Tensor
    inside: Tensor
    inside_square: Tensor


def s_measure(
    values: Tensor, foreground: Tensor, alpha: float = 0.5, *, numpy_means: bool = False
) -> Tensor:
    """Return the structure measure of one image, in [0, 1].

    Args:
        values: float64 ``[H, W]`` in [0, 1].
        foreground: bool ``[H, W]``.
        alpha: weight of the object term against the region term.
        numpy_means: reproduce a rounding of PySODMetrics. A quadrant where map and mask are both
            constant scores 1; there, it scores 0 where NumPy's mean of the constant comes out
            unequal to it, which depends on its value and the quadrant's shape.

    Returns:
        A scalar. An empty mask gives 1 - mean(S), a full one mean(S). A quadrant without pixels
        (the centroid rounds to the last row or column) counts nothing; PySODMetrics gives NaN.

    Source: Fan et al., ICCV 2017, equations 1-8, with the quadrants of the authors' code.
    """
    mask = foreground.double()
    share = float(mask.mean())
    if share == 0:
        return 1 - values.mean()
    if share == 1:
        return values.mean()
    region, quadrants = values.new_zeros(()), []
    for part, part_mask in _quadrants(values, mask):
        sums = _sums(part, part_mask)
        similarity = _similarity(sums)
        if numpy_means and similarity == 1 and not _is_flat_in_numpy(part, part_mask):
            similarity = torch.zeros_like(similarity)
        region = region + similarity * (sums.pixels / values.numel())
        quadrants.append(sums)
    return (alpha * _object(quadrants, share) + (1 - alpha) * region).clamp(min=0)


def _quadrants(values: Tensor, mask: Tensor) -> list[tuple[Tensor, Tensor]]:
    """Cut map and mask at the mask's rounded centroid, one added; drop quadrants without pixels."""
    middle = []
    for line in (mask.sum(1), mask.sum(0)):
        places = torch.arange(len(line), dtype=line.dtype, device=line.device)
        middle.append(line @ places / line.sum())
    row, column = (torch.stack(middle).round().long() + 1).tolist()
    upper, lower = slice(0, row), slice(row, None)
    left, right = slice(0, column), slice(column, None)
    corners = [(upper, left), (upper, right), (lower, left), (lower, right)]
    return [(values[corner], mask[corner]) for corner in corners if values[corner].numel()]


def _sums(values: Tensor, mask: Tensor) -> _Sums:
    relative = (values - values[0, 0]).flatten()
    mask = mask.flatten()
    inside = relative * mask
    return _Sums(
        origin=values[0, 0],
        pixels=values.numel(),
        positive=mask.sum(),
        total=relative.sum(),
        square=relative @ relative,
        inside=inside.sum(),
        inside_square=inside @ relative,
    )


def _similarity(sums: _Sums) -> Tensor:
    """Return the quadrant's luminance, contrast and structure term; 1 if both are constant."""
    count, freedom = sums.pixels, sums.pixels - 1 + _EPS
    mean, mask_mean = sums.origin + sums.total / count, sums.positive / count
    variance = (sums.square - sums.total**2 / count).clamp(min=0) / freedom
    mask_variance = sums.positive * (1 - mask_mean) / freedom
    covariance = (sums.inside - sums.total * mask_mean) / freedom
    upper = 4 * mean * mask_mean * torch.where(mask_variance == 0, 0.0, covariance)
    lower = (mean**2 + mask_mean**2) * (variance + mask_variance)
    return torch.where((upper == 0) & (lower == 0), 1.0, upper / (lower + _EPS))


def _object(quadrants: list[_Sums], share: float) -> Tensor:
    """Return the object term from the quadrants' sums, moved to the common origin 0."""
    pixels = sum(part.pixels for part in quadrants)
    origins, positives, totals, squares, insides, inside_squares = (
        torch.stack([getattr(part, name) for part in quadrants])
        for name in ("origin", "positive", "total", "square", "inside", "inside_square")
    )
    counts = torch.tensor([part.pixels for part in quadrants]).to(origins)
    inside = (insides + origins * positives).sum()
    inside_square = (inside_squares + origins * (2 * insides + origins * positives)).sum()
    outside = (totals + origins * counts).sum() - inside
    outside_square = (squares + origins * (2 * totals + origins * counts)).sum() - inside_square
    positive = positives.sum()
    negative = pixels - positive
    likeness_inside = _likeness(positive, inside, inside_square)
    # 1 - S outside: its square's sum is n - 2 ΣS + ΣS².
    likeness_outside = _likeness(
        negative, negative - outside, negative - 2 * outside + outside_square
    )
    return share * likeness_inside + (1 - share) * likeness_outside


def _likeness(count: Tensor, total: Tensor, square: Tensor) -> Tensor:
    mean = total / count
    variance = (square - total * mean) / (count - 1).clamp(min=1)
    return 2 * mean / (mean**2 + 1 + variance.clamp(min=0).sqrt() + _EPS)


def _is_flat_in_numpy(values: Tensor, mask: Tensor) -> bool:
    """Whether NumPy's mean of a region, constant like its mask, equals the constant."""
    if bool((values != values[0, 0]).any()) or bool((mask != mask[0, 0]).any()):
        return True
    region = np.full((values.shape[0], values.stride(0)), values[0, 0].item())
    return bool(region[:, : values.shape[1]].mean() == region[0, 0])
