"""Size-invariant measures: every object counts alike, whatever its size."""

from typing import NamedTuple

import cv2
import numpy as np
import torch
from torch import Tensor

from sod.metrics.prepare import Prepared, mean_of
from sod.metrics.protocols import Protocol
from sod.metrics.thresholds import Counts, number, sweep

_SMALLEST = 50  # pixels; smaller components count only if there is no larger one


class Box(NamedTuple):
    """Rows and columns of an object's bounding box."""

    rows: slice
    columns: slice

    @property
    def window(self) -> tuple[slice, slice]:
        """The index of the box in an image."""
        return self.rows, self.columns


def object_boxes(foreground: Tensor) -> list[Box]:
    """Return the boxes of a mask's 4-connected components of at least 50 pixels.

    If all are smaller, those of the largest area are returned.

    Args:
        foreground: The mask, bool ``[H, W]``.
    """
    mask = foreground.cpu().numpy().view(np.uint8)
    left, top, width, height = cv2.boundingRect(mask)
    inner = mask[top : top + height, left : left + width]
    _, _, parts, _ = cv2.connectedComponentsWithStats(inner, connectivity=4)
    parts = parts[1:]
    if not len(parts):
        return []
    areas = parts[:, cv2.CC_STAT_AREA]
    kept = parts[areas >= min(_SMALLEST, areas.max())] + [left, top, 0, 0, 0]
    return [Box(slice(y, y + height), slice(x, x + width)) for x, y, width, height, _ in kept]


def object_counts(image: Prepared, boxes: list[Box], protocol: Protocol) -> Counts:
    """Return the counts of each object: the map and mask are zero outside its box.

    Args:
        image: Map and mask.
        boxes: Boxes of the objects, at least one.
        protocol: The evaluation protocol.

    Returns:
        Counts ``[K, T + 2]`` of K objects, at the thresholds, the adaptive threshold and 0.5.

    Source: Li et al., ICML 2024, equation 11.
    """
    each = [_counts(image, box, protocol) for box in boxes]
    return Counts(*(torch.stack(field) for field in zip(*each, strict=True)))


def _counts(image: Prepared, box: Box, protocol: Protocol) -> Counts:
    values, foreground = image.values[box.window], image.foreground[box.window]
    counts = sweep(image.codes[box.window], foreground, protocol.thresholds)
    pixels = image.values.numel()
    outside = float(pixels - values.numel())
    passed = int(protocol.comparison == ">=")  # thresholds that a map of zeros passes
    predicted = counts.predicted.clone()
    predicted[:passed] += outside
    limit = _adaptive_limit(image.values, box, protocol)
    above = values >= limit if protocol.adaptive == ">=" else values > limit
    beyond = outside if protocol.adaptive == ">=" and limit <= 0 else 0.0
    half = values > 0.5
    hits = [counts.hits, number(above & foreground), number(half & foreground)]
    extra = [predicted, number(above) + beyond, number(half)]
    return Counts(
        torch.cat(hits), torch.cat(extra), counts.positive, torch.full_like(counts.total, pixels)
    )


def _adaptive_limit(values: Tensor, box: Box, protocol: Protocol) -> float:
    if not protocol.numpy_means:
        return min(2 * float(values[box.window].sum()) / values.numel(), 1.0)
    masked = torch.zeros_like(values)
    masked[box.window] = values[box.window]
    return min(2 * float(mean_of(masked, protocol)), 1.0)


def size_invariant_mae(error: Tensor, boxes: list[Box]) -> Tensor:
    """Return the mean of the objects' mean errors and of the background's, by relative area.

    Args:
        error: Absolute error of each pixel, float64 ``[H, W]``.
        boxes: Boxes of the objects; without any, the plain mean error is returned.

    Returns:
        A float64 scalar. A background without pixels (the boxes cover the image) has no weight;
        PySODMetrics returns NaN.

    Source: Li et al., ICML 2024, equation 9.
    """
    if not boxes:
        return error.mean()
    background = torch.ones_like(error, dtype=torch.bool)
    for box in boxes:
        background[box.window] = False
    outside = background.count_nonzero().double()
    weight = outside / (error.numel() - outside)
    total = torch.stack([error[box.window].mean() for box in boxes]).sum()
    if outside > 0:
        total = total + weight * (error * background).sum() / outside
    return total / (len(boxes) + weight)
