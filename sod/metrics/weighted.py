"""Weighted F-measure: errors are weighted by their location."""

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

_EPS = 2.0**-52
_RADIUS = 3  # of the 7 x 7 Gaussian, in pixels
_SIGMA = 5.0  # of the Gaussian, in pixels
_HALF_LIFE = 5.0  # pixels after which the discount of a false positive is halved

# The nearest foreground pixel within reach of a pixel is found as the smallest int16 key
#
#     256 * squared distance + 16 * (column offset + 4) + (row offset + 4).
#
# Offsets are -4..4, so that each takes 4 bits and keys are at most 256 * 32 + 16 * 8 + 8 = 8328.
# A minimum of such keys takes no index arithmetic, and its lower bits resolve ties: the leftmost,
# then the uppermost of equally near pixels is taken, as in SciPy's feature transform and therefore
# in PySODMetrics.
_MARGIN = 4  # largest offset: the corner of the Gaussian's window is 3√2 < 5 pixels away
_DISTANCE_UNIT = 256
_COLUMN_UNIT = 16
_ROW_UNIT = 1
_NO_KEY = 20_000  # no foreground pixel: above all keys, and within int16 when 8328 is added


def weighted_f(error: Tensor, foreground: Tensor, beta2: float = 1.0) -> Tensor:
    """Return the weighted F-measure of one image, in [0, 1].

    Args:
        error: Absolute difference of map and mask, float64 ``[H, W]`` in [0, 1].
        foreground: The mask, bool ``[H, W]``.
        beta2: β² of the F-measure.

    Returns:
        A float64 scalar; 0 for an empty mask.

    Source: Margolin et al., CVPR 2014, equations 3-14.
    """
    positive = foreground.count_nonzero()
    if positive == 0:
        return error.new_zeros(())
    distance, window = _distance(foreground)
    inside = _inside_error(error[window], foreground[window])
    importance = torch.where(foreground, 0.0, 2 - torch.exp2(distance.div_(-_HALF_LIFE)))
    outside = (error * importance).sum()
    recall = (1 - inside / positive).clamp(min=0)
    hits = recall * positive
    precision = hits / (hits + outside + _EPS)
    return (1 + beta2) * recall * precision / (recall + beta2 * precision + _EPS)


def _distance(foreground: Tensor) -> tuple[Tensor, tuple[slice, slice]]:
    """Return the distance of each pixel to the foreground, and the foreground's bounding window.

    Returns:
        The Euclidean distance in pixels, float64 ``[H, W]``, and the rows and columns of the
        foreground's bounding box, widened by the radius of the Gaussian.
    """
    background = (~foreground).cpu().numpy().view(np.uint8)
    distance = cv2.distanceTransform(background, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    x, y, width, height = cv2.boundingRect(1 - background)
    rows = slice(max(y - _RADIUS, 0), y + height + _RADIUS)
    columns = slice(max(x - _RADIUS, 0), x + width + _RADIUS)
    # The last bit of OpenCV's root depends on the memory alignment. Squared distances are integers,
    # so the root of the rounded square is reproducible.
    exact = torch.from_numpy(distance).double().square_().round_().sqrt_()
    return exact.to(foreground.device), (rows, columns)


def _inside_error(error: Tensor, foreground: Tensor) -> Tensor:
    """Return the sum over the foreground of each pixel's error, limited by its smoothed error."""
    smooth = _smooth(_spread_outwards(error, foreground))
    return (torch.minimum(error, smooth) * foreground).sum()


def _spread_outwards(error: Tensor, foreground: Tensor) -> Tensor:
    """Replace the errors of background pixels by the error of their nearest foreground pixel.

    Only pixels within the Gaussian's reach of the foreground are replaced. The search is exact.
    """
    key = (~foreground).short().mul_(_NO_KEY)
    key = _smallest_key(key, axis=0, unit=_ROW_UNIT)
    key = _smallest_key(key, axis=1, unit=_COLUMN_UNIT)
    row_offset, column_offset = (key & 15) - _MARGIN, (key >> 4 & 15) - _MARGIN
    step = row_offset.long().mul_(error.shape[1]).add_(column_offset).mul_(key < _NO_KEY)
    indices = torch.arange(error.numel(), device=error.device).view_as(error)
    return error.flatten()[step.add_(indices)]


def _smallest_key(key: Tensor, axis: int, unit: int) -> Tensor:
    """Return the smallest key among the neighbours of each pixel along an axis.

    The squared offset and the offset itself, times their units, are added to a neighbour's key.
    """
    pad = [0, 0, _MARGIN, _MARGIN] if axis == 0 else [_MARGIN, _MARGIN]
    padded, size = F.pad(key, pad, value=_NO_KEY), key.shape[axis]
    best = padded.narrow(axis, 0, size) + _DISTANCE_UNIT * _MARGIN**2
    for tap in range(1, 2 * _MARGIN + 1):
        cost = _DISTANCE_UNIT * (tap - _MARGIN) ** 2 + unit * tap
        torch.minimum(best, padded.narrow(axis, tap, size) + cost, out=best)
    return best


def _smooth(error: Tensor) -> Tensor:
    """Convolve with the normalised Gaussian, with zeros beyond the border."""
    taps = torch.arange(-_RADIUS, _RADIUS + 1, dtype=torch.float64)
    kernel = torch.exp(-(taps**2) / (2 * _SIGMA**2))
    weights = (kernel / kernel.sum()).tolist()
    for axis, pad in ((0, [0, 0, _RADIUS, _RADIUS]), (1, [_RADIUS, _RADIUS, 0, 0])):
        padded, size = F.pad(error, pad), error.shape[axis]
        error = torch.zeros_like(error)
        for tap, weight in enumerate(weights):
            error.add_(padded.narrow(axis, tap, size), alpha=weight)
    return error
