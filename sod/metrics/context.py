"""Context measure: agreement of a map and its mask within the object's own surroundings."""

from math import e

import cv2
import numpy as np
import numpy.typing as npt
from torch import Tensor

Array = npt.NDArray[np.float64]
_EPS = 2.0**-52
_SPREAD = 6.0  # standard deviation of the Gaussian over both axes, in pixels
_CAMOUFLAGE_BETA2 = 1.2


def context_measure(values: Tensor, foreground: Tensor, camouflage: Array | None = None) -> float:
    """Return the context measure of one image, in [0, 1].

    A Gaussian with the shape of the object says how relevant a predicted pixel is to the object,
    and how completely an object's pixel is explained by predicted ones near it.

    Args:
        values: The map, float64 ``[H, W]`` in [0, 1].
        foreground: The mask, bool ``[H, W]``.
        camouflage: Weight of each pixel, as of ``camouflage_degree``; β² is then 1.2, else 1.

    Returns:
        The measure; 0 for an empty mask or map.

    Source: Wang et al., arXiv 2512.07076, equations 4-12.
    """
    soft = values.cpu().numpy()
    mask = foreground.cpu().numpy().astype(np.float64)
    kernel = _kernel(mask)
    # OpenCV sums in single precision here, as the published code does.
    relevance = (soft > 0) * cv2.filter2D(mask.astype(np.float32), cv2.CV_32F, kernel)
    forward = float((relevance * soft).sum() / (soft.sum() + _EPS))
    found = 1 - np.exp(-cv2.filter2D(soft, -1, kernel))
    weight = mask if camouflage is None else mask + camouflage
    reverse = float((e / (e - 1) * mask * found * weight).sum() / (weight.sum() + _EPS))
    beta2 = 1.0 if camouflage is None else _CAMOUFLAGE_BETA2
    return (1 + beta2) * forward * reverse / (beta2 * forward + reverse + _EPS)


def _kernel(mask: Array) -> Array:
    """Return a normalised Gaussian with the covariance of the mask's pixels, scaled."""
    points = np.argwhere(mask > 0)
    if len(points) < 2:
        covariance, reach = np.diag([0.25, 0.25]), (1, 1)
    else:
        covariance = np.cov(points, rowvar=False)
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
