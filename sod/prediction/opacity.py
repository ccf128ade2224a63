"""From a saliency map to the opacity of a cut-out."""

from dataclasses import dataclass
from typing import Literal, get_args

import cv2
import numpy as np
from numpy.typing import NDArray

from sod.core.errors import SodError, suggest

Map = NDArray[np.float32]
Mask = NDArray[np.bool_]
Keep = Literal["all", "largest"]


@dataclass(frozen=True)
class OpacityOptions:
    """How a map becomes a mask and an opacity.

    Args:
        threshold: The map is foreground above it, in (0, 1).
        keep: ``all`` objects, or only the ``largest`` connected one.
        sharpen: Contrast of the opacity around the threshold, in [0, 1]: 0 leaves the map as it is,
            1 gives a binary mask.
    """

    threshold: float = 0.5
    keep: Keep = "all"
    sharpen: float = 0.0

    def __post_init__(self) -> None:
        """Reject invalid values."""
        if not 0 < self.threshold < 1:
            raise SodError(f"--threshold {self.threshold}: is not between 0 and 1.")
        if not 0 <= self.sharpen <= 1:
            raise SodError(f"--sharpen {self.sharpen}: is not in [0, 1].")
        known = get_args(Keep)
        if self.keep not in known:
            hint = suggest(self.keep, known)
            raise SodError(f"--keep {self.keep}: is neither {' nor '.join(known)}.{hint}")


def object_mask(saliency: Map, options: OpacityOptions) -> Mask:
    """Return the foreground, bool ``[H, W]``, of a map ``[H, W]`` in [0, 1]."""
    mask = saliency > options.threshold
    return largest_object(mask) if options.keep == "largest" else mask


def opacity(saliency: Map, options: OpacityOptions) -> Map:
    """Return the opacity of each pixel.

    With ``keep: largest``, pixels that are nearer to another object become transparent.

    Args:
        saliency: ``[H, W]`` in [0, 1].
        options: Threshold, objects and sharpness.

    Returns:
        ``[H, W]`` in [0, 1].
    """
    alpha = saliency
    if options.keep == "largest":
        alpha = without_others(saliency, options)
    if options.sharpen == 1:
        return np.asarray(alpha > options.threshold, dtype=np.float32)
    if options.sharpen > 0:
        alpha = 0.5 + (alpha - np.float32(options.threshold)) / np.float32(1 - options.sharpen)
    return np.asarray(np.clip(alpha, 0, 1), dtype=np.float32)


def largest_object(mask: Mask) -> Mask:
    """Return the largest 4-connected component of a mask; an empty mask stays empty."""
    count, labels, statistics, _ = cv2.connectedComponentsWithStats(
        mask.astype(np.uint8), connectivity=4
    )
    if count == 1:
        return mask
    return np.asarray(labels == 1 + statistics[1:, cv2.CC_STAT_AREA].argmax())


def without_others(saliency: Map, options: OpacityOptions) -> Map:
    """Return a map that is 0 where another object than the largest one is nearer."""
    return saliency * _territory(saliency > options.threshold)


def _territory(mask: Mask) -> Mask:
    """Return the pixels whose nearest object is the largest one."""
    largest = largest_object(mask)
    others = mask & ~largest
    if not others.any():
        return np.ones_like(mask)
    return np.asarray(_distance(largest) <= _distance(others))


def _distance(mask: Mask) -> Map:
    """Return the distance of each pixel from a mask, in pixels."""
    distance = cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, 3)
    return np.asarray(distance, dtype=np.float32)
