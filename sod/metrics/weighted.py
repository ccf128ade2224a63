"""Weighted F-measure: errors weighed by where they lie."""

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

_EPS = 2.0**-52
_RADIUS = 3  # of the 7 x 7 Gaussian
_REACH2 = 2 * _RADIUS**2  # squared distance to the corner of the Gaussian's window
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
    positive = foreground.count_nonzero()
    if positive == 0:
        return values.new_zeros(())
    distance = _distance(foreground)
    error = (values - foreground.double()).abs()
    inside = _inside_error(error, distance).sum()
    importance = torch.where(foreground, 0.0, 2 - torch.exp2(-distance / _HALF_LIFE))
    outside = (error * importance).sum()
    recall = (1 - inside / positive).clamp(min=0)
    hits = recall * positive
    precision = hits / (hits + outside + _EPS)
    return (1 + beta2) * recall * precision / (recall + beta2 * precision + _EPS)


def _distance(foreground: Tensor) -> Tensor:
    """Return each pixel's Euclidean distance to the foreground, float32; OpenCV is exact here."""
    background = (~foreground).cpu().numpy().view(np.uint8)
    distance = cv2.distanceTransform(background, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return torch.from_numpy(distance).to(foreground.device)


def _inside_error(error: Tensor, distance: Tensor) -> Tensor:
    """Return the errors of the foreground pixels, each eased to its neighbourhood's mean."""
    window = _window(distance == 0)
    error, distance = error[window], distance[window]
    smooth = _smooth(_spread_outwards(error, distance))
    return torch.minimum(error, smooth)[distance == 0]


def _window(foreground: Tensor) -> tuple[slice, slice]:
    """Return the rows and columns that the Gaussian reaches from the foreground."""
    slices = []
    for axis in (1, 0):
        lines = foreground.any(axis).nonzero()
        first, last = int(lines[0]), int(lines[-1])
        slices.append(slice(max(first - _RADIUS, 0), last + _RADIUS + 1))
    return slices[0], slices[1]


def _rings() -> list[list[tuple[int, int]]]:
    """Return the (row, column) offsets within reach, in rings of equal distance, nearest first.

    Within a ring the leftmost comes first, then the uppermost: the order in which SciPy's exact
    feature transform, and so PySODMetrics, prefers one of several nearest pixels.
    """
    side = range(-int(_REACH2**0.5), int(_REACH2**0.5) + 1)
    rings: dict[int, list[tuple[int, int]]] = {}
    for column in side:
        for row in side:
            rings.setdefault(row**2 + column**2, []).append((row, column))
    return [rings[distance2] for distance2 in sorted(rings) if 0 < distance2 <= _REACH2]


_RINGS = _rings()


def _spread_outwards(error: Tensor, distance: Tensor) -> Tensor:
    """Give each background pixel that the Gaussian reaches the error of its nearest foreground."""
    margin = int(_REACH2**0.5)
    padded = F.pad(error, [margin] * 4)
    width = padded.shape[1]
    inside, near = (
        F.pad(where, [margin] * 4).flatten()
        for where in (distance == 0, (distance > 0) & (distance**2 < _REACH2 + 0.5))
    )
    errors = padded.flatten()
    places = near.nonzero()[:, 0]
    for ring in _RINGS:
        steps = torch.tensor([row * width + column for row, column in ring], device=error.device)
        candidates = places[:, None] + steps
        met = inside[candidates]
        found = met.any(1)
        first = met.byte().argmax(1, keepdim=True)
        nearest = candidates.gather(1, first)[:, 0]
        errors[places[found]] = errors[nearest[found]]
        places = places[~found]
        if not len(places):
            break
    height = error.shape[0]
    return errors.view(padded.shape)[margin : margin + height, margin : width - margin]


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
