"""Weighted F-measure: errors are weighted by their location."""

from functools import cache

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from sod.metrics.nearest import spread_outwards

Mask = npt.NDArray[np.bool_]
_EPS = 2.0**-52
_RADIUS = 3  # of the 7 x 7 Gaussian, in pixels
_SIGMA = 5.0  # of the Gaussian, in pixels
_HALF_LIFE = 5.0  # pixels after which the discount of a false positive is halved
_FARTHEST = 265  # pixels; the discount 2^-53 of a false positive is below the rounding of 2


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
    mask = foreground.cpu().numpy()
    positive = np.count_nonzero(mask)
    if positive == 0:
        return error.new_zeros(())
    outside = float(error.flatten() @ _importance(mask).to(error.device))
    window = _window(mask)
    inside = _inside_error(error[window].cpu().numpy(), mask[window])
    recall = max(1 - inside / positive, 0.0)
    hits = recall * positive
    precision = hits / (hits + outside + _EPS)
    return error.new_tensor((1 + beta2) * recall * precision / (recall + beta2 * precision + _EPS))


def _importance(mask: Mask) -> Tensor:
    """Return the weight of each pixel's error ``[HW]``: 0 in the foreground, else up to 2."""
    background = 1 - mask.view(np.uint8)
    distance = cv2.distanceTransform(background, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    # The last bit of OpenCV's root depends on the memory alignment. Squared distances are integers,
    # so that the rounded square is reproducible.
    square = torch.from_numpy(distance).clamp_(max=_FARTHEST).square_().round_().int()
    return _importances().index_select(0, square.flatten())


@cache
def _importances() -> Tensor:
    """Return the weight of an error by the squared distance to the foreground."""
    distance = torch.arange(_FARTHEST**2 + 1, dtype=torch.float64).sqrt_()
    weights = 2 - torch.exp2(distance.div_(-_HALF_LIFE))
    weights[0] = 0  # the foreground itself
    return weights


def _window(mask: Mask) -> tuple[slice, slice]:
    """Return rows and columns of the mask's bounding box, widened by the Gaussian's radius."""
    x, y, width, height = cv2.boundingRect(mask.view(np.uint8))
    rows = slice(max(y - _RADIUS, 0), y + height + _RADIUS)
    return rows, slice(max(x - _RADIUS, 0), x + width + _RADIUS)


def _inside_error(error: npt.NDArray[np.float64], mask: Mask) -> float:
    """Return the sum over the mask of each pixel's error, limited by its smoothed error.

    The errors are smoothed by a Gaussian, with zeros beyond the image's border.
    """
    spread, kernel = spread_outwards(error, mask), _kernel()
    smooth = cv2.sepFilter2D(spread, cv2.CV_64F, kernel, kernel, borderType=cv2.BORDER_CONSTANT)
    return float(np.minimum(error, smooth).sum(where=mask))


@cache
def _kernel() -> npt.NDArray[np.float64]:
    """Return the normalised Gaussian along one axis."""
    taps = np.arange(-_RADIUS, _RADIUS + 1)
    weights = np.exp(-(taps**2) / (2 * _SIGMA**2))
    return np.asarray(weights / weights.sum())
