"""Context measure: agreement of a map and its mask within the object's own surroundings."""

from math import e
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt
from torch import Tensor

Array = npt.NDArray[np.float64]
_EPS = 2.0**-52
_SPREAD = 6.0  # standard deviation of the Gaussian over both axes, in pixels
_CAMOUFLAGE_BETA2 = 1.2
Window = tuple[slice, slice]


class Context(NamedTuple):
    """How map and mask explain each other.

    Attributes:
        forward: How relevant the predicted pixels are to the object, in [0, 1].
        window: Rows and columns of the mask's bounding box.
        mask: The mask in this window, 0 or 1.
        found: How completely each pixel in this window is explained, in [0, 1].
    """

    forward: float
    window: Window
    mask: Array
    found: Array


def context_of(values: Tensor, foreground: Tensor) -> Context | None:
    """Return what the context measures of one image have in common; None for an empty mask.

    A Gaussian with the shape of the object says how relevant a predicted pixel is to the object,
    and how completely an object's pixel is explained by predicted ones near it.

    Args:
        values: The map, float64 ``[H, W]`` in [0, 1].
        foreground: The mask, bool ``[H, W]``.
    """
    soft, binary = values.cpu().numpy(), foreground.cpu().numpy().view(np.uint8)
    x, y, width, height = cv2.boundingRect(binary)
    if not width:
        return None
    window = slice(y, y + height), slice(x, x + width)
    kernel = _kernel(binary[window])
    # The Gaussian reaches no farther from the object; twice as far, the mask is all that it sees.
    near, far = (_grown(window, kernel, times) for times in (1, 2))
    # OpenCV sums in single precision here, as the published code does.
    relevance = cv2.filter2D(binary[far].astype(np.float32), cv2.CV_32F, kernel)
    forward = float((relevance * soft[far]).sum() / (soft.sum() + _EPS))
    explained = cv2.filter2D(soft[near], -1, kernel)[_inside(window, near)]
    mask = binary[window].astype(np.float64)
    return Context(forward, window, mask, e / (e - 1) * (1 - np.exp(-explained)))


def context_measure(context: Context | None, camouflage: Array | None = None) -> float:
    """Return the context measure of one image, in [0, 1].

    Args:
        context: That of map and mask.
        camouflage: Weight of each pixel ``[H, W]``, as of ``camouflage_degree``; β² is then 1.2,
            else 1.

    Returns:
        The measure; 0 for an empty mask or map.

    Source: Wang et al., arXiv 2512.07076, equations 4-12.
    """
    if context is None:
        return 0.0
    forward, mask = context.forward, context.mask
    weight = mask if camouflage is None else mask + camouflage[context.window]
    reverse = float((mask * context.found * weight).sum() / (weight.sum() + _EPS))
    beta2 = 1.0 if camouflage is None else _CAMOUFLAGE_BETA2
    return (1 + beta2) * forward * reverse / (beta2 * forward + reverse + _EPS)


def _grown(window: Window, kernel: Array, times: int) -> Window:
    """Return a window widened by half a kernel, some times; it ends with the image."""
    rows, columns = (
        slice(max(part.start - times * (size // 2), 0), part.stop + times * (size // 2))
        for part, size in zip(window, kernel.shape, strict=True)
    )
    return rows, columns


def _inside(window: Window, near: Window) -> Window:
    """Return a window relative to a wider one."""
    rows, columns = (
        slice(part.start - wider.start, part.stop - wider.start)
        for part, wider in zip(window, near, strict=True)
    )
    return rows, columns


def _kernel(mask: npt.NDArray[np.uint8]) -> Array:
    """Return a normalised Gaussian with the covariance of the mask's pixels, scaled."""
    covariance = _covariance(mask)
    if covariance is None:
        covariance, reach = np.diag([0.25, 0.25]), (1, 1)
    else:
        spread = np.diagonal(covariance).copy()
        spread[spread == 0] = _EPS
        np.fill_diagonal(covariance, spread)
        covariance = _SPREAD**2 * covariance / spread.sum()
        rows, columns = np.sqrt(np.diagonal(covariance))
        reach = (round(3 * rows), round(3 * columns))
    rows, columns = np.mgrid[-reach[0] : reach[0] + 1, -reach[1] : reach[1] + 1]
    offsets = np.stack([rows, columns], axis=-1).astype(np.float64)
    inverse = np.linalg.inv(covariance)
    kernel = np.exp(-0.5 * np.einsum("...i,ij,...j->...", offsets, inverse, offsets))
    return np.asarray(kernel / kernel.sum())


def _covariance(mask: npt.NDArray[np.uint8]) -> Array | None:
    """Return the covariance of rows and columns of a mask's pixels; None for a single pixel."""
    down, across = (np.arange(size, dtype=np.float64) for size in mask.shape)
    weights = mask.astype(np.float64)
    of_rows, of_columns = weights.sum(1), weights.sum(0)
    count = float(of_rows.sum())
    if count < 2:
        return None
    down -= of_rows @ down / count
    across -= of_columns @ across / count
    mixed = down @ weights @ across
    moments = [[of_rows @ down**2, mixed], [mixed, of_columns @ across**2]]
    return np.array(moments) / (count - 1)
