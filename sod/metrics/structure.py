"""S-measure: structural similarity of a map and its mask."""

from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

_EPS = 2.0**-52
_ROUNDING = 1e-14  # of a sum of squares; a grey level in ten megapixels is 100 times more


class _Sums(NamedTuple):
    """Sums over the four quadrants, float64 ``[2, 2]`` each, from which all terms are computed.

    The values S of a quadrant are relative to ``origin``, the value of its first pixel. A constant
    quadrant then has a variance of exactly 0, as the region term requires, without cancellation.

    Attributes:
        origin: The value subtracted from the quadrant's map.
        pixels: Number of pixels.
        positive: Number of foreground pixels.
        total: Sum of S.
        square: Sum of S².
        inside: Sum of S over the foreground.
        inside_square: Sum of S² over the foreground.
    """

    origin: Tensor
    pixels: Tensor
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
        values: The map, float64 ``[H, W]`` in [0, 1].
        foreground: The mask, bool ``[H, W]``.
        alpha: Weight of the object term; the region term has the weight 1 - ``alpha``.
        numpy_means: Reproduce a rounding effect of PySODMetrics. A quadrant where map and mask are
            both constant scores 1. In PySODMetrics it scores 0 where NumPy's mean of the constant
            differs from it by rounding, which depends on the value and the quadrant's shape.

    Returns:
        A float64 scalar. For an empty mask it is 1 - mean(S), for a full one mean(S). Quadrants
        without pixels (the centroid rounds to the last row or column) are ignored; PySODMetrics
        returns NaN.

    Source: Fan et al., ICCV 2017, equations 1-8, with the quadrants of the authors' code.
    """
    mask = foreground.cpu().numpy().view(np.uint8)
    share = np.count_nonzero(mask) / mask.size
    if share in (0.0, 1.0):
        return values.mean() if share else 1 - values.mean()
    middle = _middle(mask)
    sums = _sums(values, foreground, middle)
    similarity, flat = _similarity(sums)
    if numpy_means and bool(flat.any()):
        similarity = torch.where(flat & ~_flat_in_numpy(values, middle), 0.0, similarity)
    region = (similarity * sums.pixels).sum() / values.numel()
    return (alpha * _object(sums, share) + (1 - alpha) * region).clamp(min=0)


def _middle(mask: npt.NDArray[np.uint8]) -> tuple[int, int]:
    """Return height and width of the upper left quadrant: the mask's rounded centroid plus 1."""
    rows, columns = (
        np.asarray(cv2.reduce(mask, axis, cv2.REDUCE_SUM, dtype=cv2.CV_32S), np.int64).ravel()
        for axis in (1, 0)
    )
    row, column = (int(line @ np.arange(len(line))) / int(line.sum()) for line in (rows, columns))
    return round(row) + 1, round(column) + 1


def _sums(values: Tensor, mask: Tensor, middle: tuple[int, int]) -> _Sums:
    """Return the quadrants' sums of a map, float64 ``[H, W]``, and its mask, bool ``[H, W]``."""
    row, column = middle
    quadrants = [
        _of_quadrant(values[rows, columns], mask[rows, columns])
        for rows in (slice(row), slice(row, None))
        for columns in (slice(column), slice(column, None))
    ]
    return _Sums(*torch.stack(quadrants).T.view(-1, 2, 2))


def _of_quadrant(values: Tensor, mask: Tensor) -> Tensor:
    """Return the sums of one quadrant in their order in ``_Sums``; zeros if it has no pixels."""
    if not values.numel():
        return values.new_zeros(len(_Sums._fields))
    origin, weights = values[0, 0], mask.flatten().to(values)
    relative = (values - origin).flatten()
    inside = relative * weights
    square, inside_square = relative @ relative, inside @ inside
    pixels = origin.new_tensor(values.numel())
    sums = (origin, pixels, weights.sum(), relative.sum(), square, inside.sum(), inside_square)
    return torch.stack(sums)


def _similarity(sums: _Sums) -> tuple[Tensor, Tensor]:
    """Return each quadrant's similarity (SSIM without constants), and whether it is constant."""
    count = sums.pixels.clamp(min=1)
    freedom = count - 1 + _EPS
    mean, mask_mean = sums.origin + sums.total / count, sums.positive / count
    variance = (sums.square - sums.total**2 / count).clamp(min=0) / freedom
    mask_variance = sums.positive * (1 - mask_mean) / freedom
    covariance = (sums.inside - sums.total * mask_mean) / freedom
    upper = 4 * mean * mask_mean * torch.where(mask_variance == 0, 0.0, covariance)
    lower = (mean**2 + mask_mean**2) * (variance + mask_variance)
    flat = (upper == 0) & (lower == 0)
    return torch.where(flat, 1.0, upper / (lower + _EPS)), flat


def _object(sums: _Sums, share: float) -> Tensor:
    """Return the object term from the quadrants' sums, first shifted to the common origin 0."""
    origin = sums.origin
    positive, pixels = sums.positive.sum(), sums.pixels.sum()
    total = (sums.total + origin * sums.pixels).sum()
    square = (sums.square + origin * (2 * sums.total + origin * sums.pixels)).sum()
    inside = (sums.inside + origin * sums.positive).sum()
    shifted = 2 * sums.inside + origin * sums.positive
    inside_square = (sums.inside_square + origin * shifted).sum()
    negative, outside, outside_square = pixels - positive, total - inside, square - inside_square
    # The background term is that of 1 - S, whose sum of squares is n - 2 ΣS + ΣS².
    return share * _likeness(positive, inside, inside_square) + (1 - share) * _likeness(
        negative, negative - outside, negative - 2 * outside + outside_square
    )


def _likeness(count: Tensor, total: Tensor, square: Tensor) -> Tensor:
    """Return the similarity to 1 of values given by their number, sum and sum of squares."""
    mean = total / count
    # A single pixel has variance 0; the root would enlarge the rounding error of its sums to 1e-9.
    spread = (square - total * mean) * (count > 1)
    spread = torch.where(spread > _ROUNDING * square, spread, 0.0)
    variance = spread / (count - 1).clamp(min=1)
    return 2 * mean / (mean**2 + 1 + variance.sqrt() + _EPS)


def _flat_in_numpy(values: Tensor, middle: tuple[int, int]) -> Tensor:
    """Return bool ``[2, 2]``: whether NumPy's mean of a constant quadrant equals its value."""
    array, (row, column) = values.cpu().numpy(), middle
    exact = [
        [
            not part.size or bool(np.mean(part) == part[0, 0])
            for part in (half[:, :column], half[:, column:])
        ]
        for half in (array[:row], array[row:])
    ]
    return torch.tensor(exact, device=values.device)
