"""Boundary IoU and boundary F-measure of a binary map."""

from functools import cache

import cv2
import numpy as np
import numpy.typing as npt
from torch import Tensor

Mask = npt.NDArray[np.uint8]
_BAND = 0.02  # width of the band of the boundary IoU, of the image's diagonal
_REACH = 0.008  # largest distance of matching boundary pixels, of the image's diagonal
_SQUARE = np.ones((3, 3), np.uint8)
_LARGEST_DISC = 16  # pixels; up to this reach, a dilation is faster than a distance transform


def boundary_iou(binary: Tensor, foreground: Tensor, empty: float = 0.0) -> float:
    """Return the IoU of the inner boundary bands of a binary map and its mask.

    The band of a mask holds its pixels whose distance to the background, or to the image's border,
    is at most d: 2 % of the image's diagonal, rounded, at least 1 pixel. Distances are those of a
    3x3 erosion.

    Args:
        binary: The map, bool ``[H, W]``.
        foreground: The mask, bool ``[H, W]``.
        empty: Value where both are empty.

    Source: Cheng et al., CVPR 2021, equation 3.
    """
    width = max(round(_BAND * float(np.hypot(*foreground.shape))), 1)
    predicted, truth = (_inner_band(_array(mask), width) for mask in (binary, foreground))
    union = np.count_nonzero(predicted | truth)
    return float(np.count_nonzero(predicted & truth) / union) if union else empty


def boundary_f(binary: Tensor, foreground: Tensor, empty: float = 0.0) -> float:
    """Return the F-measure (β² = 1) of the boundary pixels of a binary map and its mask.

    A boundary pixel is matched if one of the other boundary is within 0.8 % of the image's
    diagonal, rounded up. The image's border is no boundary.

    Args:
        binary: The map, bool ``[H, W]``.
        foreground: The mask, bool ``[H, W]``.
        empty: Precision or recall of a side without boundary pixels.

    Source: Martin et al., PAMI 2004; with the tolerance of Perazzi et al., CVPR 2016.
    """
    reach = int(np.ceil(_REACH * np.hypot(*foreground.shape)))
    predicted, truth = _edges(_array(binary)), _edges(_array(foreground))
    precision = _matched(predicted, truth, reach, empty)
    recall = _matched(truth, predicted, reach, empty)
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def _array(mask: Tensor) -> Mask:
    return mask.cpu().numpy().view(np.uint8)


def _inner_band(mask: Mask, width: int) -> Mask:
    padded = cv2.copyMakeBorder(mask, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
    core = cv2.erode(padded, _SQUARE, iterations=width)[1:-1, 1:-1]
    return np.asarray(mask - core, np.uint8)


def _edges(mask: Mask) -> Mask:
    """Return the pixels that differ from their right, lower or lower right neighbour."""
    padded = np.pad(mask, ((0, 1), (0, 1)), mode="edge")
    right, below, diagonal = padded[:-1, 1:], padded[1:, :-1], padded[1:, 1:]
    return np.asarray((mask ^ right) | (mask ^ below) | (mask ^ diagonal), np.uint8)


def _matched(edges: Mask, others: Mask, reach: int, empty: float) -> float:
    """Return the share of edge pixels within reach of another edge pixel."""
    count = np.count_nonzero(edges)
    if not count:
        return empty
    if not others.any():
        return 0.0
    return float(np.count_nonzero(edges & _near(others, reach)) / count)


def _near(edges: Mask, reach: int) -> Mask:
    """Return the pixels within reach of an edge pixel."""
    if reach <= _LARGEST_DISC:
        return np.asarray(cv2.dilate(edges, _disc(reach)), np.uint8)
    distance = cv2.distanceTransform(1 - edges, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return np.asarray(distance <= reach + 1e-3, np.uint8)


@cache
def _disc(radius: int) -> Mask:
    """Return the disc of this radius: 1 where the distance to the centre is at most the radius."""
    rows, columns = np.ogrid[-radius : radius + 1, -radius : radius + 1]
    return np.asarray(rows**2 + columns**2 <= radius**2, np.uint8)
