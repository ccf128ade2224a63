"""Weighted F-measure: errors weighed by where they lie."""

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

_EPS = 2.0**-52
_RADIUS = 3  # of the 7 x 7 Gaussian
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
    positive = foreground.sum()
    if positive == 0:
        return values.new_zeros(())
    error = (values - foreground.double()).abs()
    inside = _inside_error(error, foreground).sum()
    outside = (error * _importance(foreground)).sum()
    recall = (1 - inside / positive).clamp(min=0)
    hits = (positive - inside).clamp(min=0)
    precision = hits / (hits + outside + _EPS)
    return (1 + beta2) * recall * precision / (recall + beta2 * precision + _EPS)


def _inside_error(error: Tensor, foreground: Tensor) -> Tensor:
    """Return the errors of the foreground pixels, each eased to its neighbourhood's mean."""
    rows, columns = _bounds(foreground)
    error, foreground = error[rows, columns], foreground[rows, columns]
    spread = _spread_outwards(error, foreground)
    smooth = _smooth(spread)
    return torch.minimum(error, smooth)[foreground]


def _bounds(foreground: Tensor) -> tuple[slice, slice]:
    """Return the rows and columns that the Gaussian reaches from the foreground."""
    slices = []
    for axis in (1, 0):
        lines = foreground.any(axis).nonzero()
        first, last = int(lines[0]), int(lines[-1])
        slices.append(slice(max(first - _RADIUS, 0), last + _RADIUS + 1))
    return slices[0], slices[1]


def _offsets() -> list[list[tuple[int, int]]]:
    """Return the offsets within the Gaussian's reach in rings of equal distance, nearest first.

    Within a ring the leftmost comes first, then the uppermost: the order in which SciPy's exact
    feature transform, and so PySODMetrics, prefers one of several nearest pixels.
    """
    reach = 2 * _RADIUS**2
    side = int(reach**0.5)
    rings: dict[int, list[tuple[int, int]]] = {}
    for column in range(-side, side + 1):
        for row in range(-side, side + 1):
            if 0 < row**2 + column**2 <= reach:
                rings.setdefault(row**2 + column**2, []).append((row, column))
    return [rings[distance] for distance in sorted(rings)]


_RINGS = _offsets()
_MARGIN = max(max(abs(row), abs(column)) for ring in _RINGS for row, column in ring)


def _spread_outwards(error: Tensor, foreground: Tensor) -> Tensor:
    """Give each background pixel that the Gaussian reaches the error of its nearest foreground."""
    near = F.max_pool2d(foreground[None].float(), 2 * _RADIUS + 1, 1, _RADIUS)[0] > 0
    padded = F.pad(foreground, [_MARGIN] * 4)
    padded_error = F.pad(error, [_MARGIN] * 4).flatten()
    width = padded.shape[1]
    rows, columns = (near & ~foreground).nonzero().unbind(1)
    places = (rows + _MARGIN) * width + columns + _MARGIN
    targets = rows * error.shape[1] + columns
    spread = error.flatten().clone()
    flags = padded.flatten()
    for ring in _RINGS:
        steps = torch.tensor([row * width + column for row, column in ring], device=error.device)
        candidates = places[:, None] + steps
        met = flags[candidates]
        found = met.any(1)
        first = met[found].byte().argmax(1, keepdim=True)
        spread[targets[found]] = padded_error[candidates[found].gather(1, first)[:, 0]]
        places, targets = places[~found], targets[~found]
    return spread.view_as(error)


def _smooth(error: Tensor) -> Tensor:
    """Convolve with the normalised Gaussian, zeros beyond the border."""
    taps = torch.arange(-_RADIUS, _RADIUS + 1, dtype=error.dtype, device=error.device)
    kernel = torch.exp(-(taps**2) / (2 * _SIGMA**2))
    weights = (kernel / kernel.sum()).tolist()
    for axis in (0, 1):
        size = error.shape[axis]
        pad = [0, 0, _RADIUS, _RADIUS] if axis == 0 else [_RADIUS, _RADIUS]
        padded = F.pad(error, pad)
        error = sum(
            (weight * padded.narrow(axis, tap, size) for tap, weight in enumerate(weights)),
            torch.zeros_like(error),
        )
    return error


def _importance(foreground: Tensor) -> Tensor:
    """Return how much a false alarm weighs: 1 beside the object, towards 2 far away, 0 inside."""
    background = (~foreground).cpu().numpy().astype(np.uint8)
    distance = cv2.distanceTransform(background, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    far = torch.from_numpy(distance).to(foreground.device)
    return torch.where(foreground, 0.0, 2 - torch.exp2(-far / _HALF_LIFE).double())
