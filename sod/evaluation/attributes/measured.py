"""Attributes of an image that its mask and colours show."""

from math import hypot, pi, sqrt
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt
from torch import Tensor

Mask = npt.NDArray[np.uint8]
_SMALLEST = 50  # pixels of an object that is counted
_RING = 0.2  # width of the surroundings, of the object's radius (that of a disc of its area)
_THIN = 0.15  # radius of the disc that thin parts cannot hold, of the object's radius


class Attribute(NamedTuple):
    """An attribute and its classes.

    Attributes:
        title: What it is, with its unit.
        limits: Upper limits of all classes but the last, exclusive.
        classes: Names of the classes, in order.
    """

    title: str
    limits: tuple[float, ...]
    classes: tuple[str, ...]

    def class_of(self, value: float) -> str:
        """Return the class of a value."""
        return self.classes[sum(value >= limit for limit in self.limits)]


ATTRIBUTES = {
    "size": Attribute(
        "object size, of the image", (0.03, 0.1, 0.3), ("< 3 %", "3–10 %", "10–30 %", "> 30 %")
    ),
    "objects": Attribute("objects", (1, 2, 3), ("0", "1", "2", "3 +")),
    "border": Attribute("touches the border", (0.5,), ("no", "yes")),
    "contrast": Attribute(
        "contrast to surroundings, ΔE", (10, 25), ("low < 10", "10–25", "high > 25")
    ),
    "off_centre": Attribute(
        "off centre, of half the diagonal", (0.1, 0.25), ("< 0.1", "0.1–0.25", "> 0.25")
    ),
    "thin": Attribute("thin parts, of the object", (0.02, 0.1), ("< 2 %", "2–10 %", "> 10 %")),
    "complexity": Attribute("boundary complexity P²/4πA", (2, 5), ("< 2", "2–5", "> 5")),
}
"""The attributes, by name."""


def image_attributes(photo: Tensor, mask: Tensor) -> dict[str, float]:
    """Return the attributes of one image.

    Size is the share of foreground pixels. Objects are 4-connected components of at least 50
    pixels. Contrast is the distance of the mean colours of the object and of a ring around it in
    CIELAB. Off centre is the distance of the mask's centroid to the image's centre, by half the
    diagonal. Thin parts are the pixels that an opening with a disc of 15 % of the object's radius
    removes. Complexity is the isoperimetric quotient; 1 for a disc.

    Args:
        photo: Float ``[3, H, W]`` in [0, 1].
        mask: Uint8 ``[H, W]``; values above 127 are foreground.

    Returns:
        Values by the names of ``ATTRIBUTES``; only size, objects and border for an empty mask.
    """
    truth = (mask.cpu().numpy() > 127).astype(np.uint8)
    area = int(truth.sum())
    edge = truth[[0, -1]].any() or truth[:, [0, -1]].any()
    found = {"size": area / truth.size, "objects": float(_objects(truth)), "border": float(edge)}
    if not area:
        return found
    radius = sqrt(area / pi)
    return found | {
        "contrast": _contrast(photo, truth, radius),
        "off_centre": _off_centre(truth),
        "thin": _thin(truth, radius),
        "complexity": _complexity(truth, area),
    }


def _objects(truth: Mask) -> int:
    _, _, parts, _ = cv2.connectedComponentsWithStats(truth, connectivity=4)
    areas = parts[1:, cv2.CC_STAT_AREA]
    return int((areas >= min(_SMALLEST, areas.max(initial=0))).sum())


def _contrast(photo: Tensor, truth: Mask, radius: float) -> float:
    pixels = np.ascontiguousarray(photo.permute(1, 2, 0).cpu().numpy(), np.float32)
    if pixels.shape[:2] != truth.shape:
        size = truth.shape[::-1]
        pixels = np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.float32)
    lab = cv2.cvtColor(pixels, cv2.COLOR_RGB2LAB)
    ring = cv2.dilate(truth, _disc(max(_RING * radius, 2))) - truth
    if not ring.any():
        return 0.0
    means = [lab[part > 0].mean(0) for part in (truth, ring)]
    return float(np.linalg.norm(means[0] - means[1]))


def _off_centre(truth: Mask) -> float:
    height, width = truth.shape
    row, column = np.argwhere(truth).mean(0)
    distance = hypot(float(row) - (height - 1) / 2, float(column) - (width - 1) / 2)
    return distance / (hypot(height, width) / 2)


def _thin(truth: Mask, radius: float) -> float:
    padded = cv2.copyMakeBorder(truth, 1, 1, 1, 1, cv2.BORDER_REPLICATE)
    opened = cv2.morphologyEx(padded, cv2.MORPH_OPEN, _disc(max(_THIN * radius, 1)))
    kept = np.asarray(opened[1:-1, 1:-1], np.uint8) & truth
    return float(1 - kept.sum() / truth.sum())


def _complexity(truth: Mask, area: int) -> float:
    contours, _ = cv2.findContours(truth, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    length = sum(cv2.arcLength(contour, True) for contour in contours)
    return float(length**2 / (4 * pi * area))


def _disc(radius: float) -> Mask:
    size = 2 * round(radius) + 1
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size)), np.uint8)
