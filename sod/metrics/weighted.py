"""Weighted F-measure: errors weighed by where they lie."""

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

_EPS = 2.0**-52
_RADIUS = 3  # of the 7 x 7 Gaussian
_MARGIN = 4  # the corner of the Gaussian's window lies 3√2 < 5 away
_NO_KEY = 20_000  # above every key of a found pixel; int16 holds it with both costs added
_SIGMA = 5.0
_HALF_LIFE = 5.0  # pixels in which a false alarm's discount halves


def weighted_f(values: Tensor, foreground: Tensor, beta2: float = 1.0) -> Tensor:
    """Return the weighted F-measure of one image, in [0, 1].

    Args:
        values: float64 ``[H, W]`` in [0, 1].
        foreground: bool ``[H, W]``.
        beta2: β² of the F-measure.

    Returns:
        A scalar; 0 for an empty mask.

    Source: Margolin et al., CVPR 2014, equations 3-14.
    """
    return weighted_f_of_error((values - foreground.double()).abs_(), foreground, beta2)


def weighted_f_of_error(error: Tensor, foreground: Tensor, beta2: float = 1.0) -> Tensor:
    """Return the weighted F-measure from the absolute error ``[H, W]`` of each pixel."""
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
    """Return each pixel's Euclidean distance to the foreground, and the Gaussian's window.

    Returns:
        Float32 ``[H, W]``, and the rows and columns that the Gaussian reaches from the foreground.
    """
    background = (~foreground).cpu().numpy().view(np.uint8)
    distance = cv2.distanceTransform(background, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    x, y, width, height = cv2.boundingRect(1 - background)
    rows = slice(max(y - _RADIUS, 0), y + height + _RADIUS)
    columns = slice(max(x - _RADIUS, 0), x + width + _RADIUS)
    # OpenCV's root differs in the last bit with the memory's alignment; its square is a whole
    # number, so the root of that is the same every time.
    exact = torch.from_numpy(distance).square_().round_().sqrt_()
    return exact.to(foreground.device), (rows, columns)


def _inside_error(error: Tensor, foreground: Tensor) -> Tensor:
    """Return the foreground's summed errors, each eased to its neighbourhood's mean."""
    smooth = _smooth(_spread_outwards(error, foreground))
    return (torch.minimum(error, smooth) * foreground).sum()


def _spread_outwards(error: Tensor, foreground: Tensor) -> Tensor:
    """Give each background pixel that the Gaussian reaches the error of its nearest foreground.

    The nearest pixel is found exactly, rows first, as the smallest key
    256 (squared distance) + 16 (column offset) + (row offset). Of several nearest pixels the
    leftmost, then the uppermost wins: so does it in SciPy's feature transform, and hence in
    PySODMetrics.
    """
    key = (~foreground).short().mul_(_NO_KEY)
    key = _smallest(_smallest(key, 0, 1), 1, 16)
    row_offset, column_offset = (key & 15) - _MARGIN, (key >> 4 & 15) - _MARGIN
    step = row_offset.long().mul_(error.shape[1]).add_(column_offset).mul_(key < _NO_KEY)
    here = torch.arange(error.numel(), device=error.device).view_as(error)
    return error.flatten()[step.add_(here)]


def _smallest(key: Tensor, axis: int, place: int) -> Tensor:
    """Return the smallest key along an axis, after adding each offset's distance and place."""
    pad = [0, 0, _MARGIN, _MARGIN] if axis == 0 else [_MARGIN, _MARGIN]
    padded, size = F.pad(key, pad, value=_NO_KEY), key.shape[axis]
    best = padded.narrow(axis, 0, size) + 256 * _MARGIN**2
    for tap in range(1, 2 * _MARGIN + 1):
        cost = 256 * (tap - _MARGIN) ** 2 + place * tap
        torch.minimum(best, padded.narrow(axis, tap, size) + cost, out=best)
    return best


def _smooth(error: Tensor) -> Tensor:
    """Convolve with the normalised Gaussian, zeros beyond the border."""
    taps = torch.arange(-_RADIUS, _RADIUS + 1, dtype=torch.float64)
    kernel = torch.exp(-(taps**2) / (2 * _SIGMA**2))
    weights = (kernel / kernel.sum()).tolist()
    for axis, pad in ((0, [0, 0, _RADIUS, _RADIUS]), (1, [_RADIUS, _RADIUS, 0, 0])):
        padded, size = F.pad(error, pad), error.shape[axis]
        error = torch.zeros_like(error)
        for tap, weight in enumerate(weights):
            error.add_(padded.narrow(axis, tap, size), alpha=weight)
    return error
