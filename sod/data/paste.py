"""Objects cut out of one image and pasted into another; backgrounds without any object."""

from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from sod.data.transforms import resize_mask

Array = npt.NDArray[np.uint8]
Box = tuple[slice, slice]

HALF = 127
"""Labels above this are the object."""
CLEAR = 63
"""Labels up to this, a quarter, are surely background."""
PLAUSIBLE = (0.005, 0.5)
"""Share of its photo that an object has to cover to be cut out."""
SIDES = (0.25, 0.9)
"""Range of the sides of a background, as shares of the photo's; one is at most twice the other."""
TRIES = 400
"""Rectangles that are tried for a background."""


class Piece(NamedTuple):
    """A rectangular part of an image.

    Args:
        image: Uint8 ``[h, w, 3]``.
        label: Uint8 ``[h, w]``, 0..255.
        shown: Bool ``[h, w]``, the pixels that are pasted.
    """

    image: Array
    label: Array
    shown: npt.NDArray[np.bool_]


def cut_out(image: Array, label: Array) -> Piece | None:
    """Cut out the largest object of an image: the largest 4-connected part of its label.

    Args:
        image: Uint8 ``[H, W, 3]``.
        label: Uint8 ``[H, W]``, 0..255; above one half is the object.

    Returns:
        Its bounding box, of which the object is shown; None if there is no object, if it covers
        too little or too much of the image, or touches the border, where it may go on.
    """
    object_ = (label > HALF).astype(np.uint8)
    _, numbers, parts, _ = cv2.connectedComponentsWithStats(object_, connectivity=4)
    if len(parts) == 1:
        return None
    number = 1 + int(parts[1:, cv2.CC_STAT_AREA].argmax())
    left, top, width, height, area = (int(value) for value in parts[number])
    bottom, right = top + height, left + width
    touches = min(top, left) == 0 or bottom == label.shape[0] or right == label.shape[1]
    if touches or not PLAUSIBLE[0] <= area / label.size <= PLAUSIBLE[1]:
        return None
    box = slice(top, bottom), slice(left, right)
    return Piece(image[box], label[box], numbers[box] == number)


def resized(piece: Piece, height: int, width: int) -> Piece:
    """Resize a piece: its image as the transforms do, its label by nearest neighbour."""
    shrinks = height < piece.image.shape[0] or width < piece.image.shape[1]
    how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    image = np.asarray(cv2.resize(piece.image, (width, height), interpolation=how), np.uint8)
    shown = resize_mask(piece.shown.astype(np.uint8), height, width) > 0
    return Piece(image, resize_mask(piece.label, height, width), shown)


def size_of_share(piece: Piece, share: float, height: int, width: int) -> tuple[int, int]:
    """Return the height and width at which a piece covers a share of an image that it fits into.

    Args:
        piece: The piece; what it shows is counted.
        share: Of the image's area, in (0, 1]; less where the piece would not fit.
        height: Height of the image in pixels.
        width: Width of the image in pixels.
    """
    tall, wide = piece.shown.shape
    factor = (share * height * width / piece.shown.sum()) ** 0.5
    factor = min(factor, height / tall, width / wide)
    return max(round(tall * factor), 1), max(round(wide * factor), 1)


def paste(
    image: Array, label: Array, piece: Piece, rng: np.random.Generator
) -> tuple[Array, Array]:
    """Paste a piece at a random place of an image; the label follows its pixels.

    Edges are hard: blending them gains nothing (Ghiasi et al., CVPR 2021, section 3).

    Args:
        image: Uint8 ``[H, W, 3]``.
        label: Uint8 ``[H, W]``.
        piece: No larger than the image.
        rng: Draws the place.

    Returns:
        The new image and its label.
    """
    tall, wide = piece.shown.shape
    top = int(rng.integers(label.shape[0] - tall + 1))
    left = int(rng.integers(label.shape[1] - wide + 1))
    box = slice(top, top + tall), slice(left, left + wide)
    image, label = image.copy(), label.copy()
    image[box][piece.shown] = piece.image[piece.shown]
    label[box][piece.shown] = piece.label[piece.shown]
    return image, label


def background(label: Array, rng: np.random.Generator) -> Box | None:
    """Draw a rectangle that lies wholly in the background of a label, uint8 ``[H, W]``.

    Returns:
        Its rows and columns; None if none of those that were tried does.
    """
    height, width = label.shape
    draws = rng.random((4, TRIES))
    side = SIDES[0] + (SIDES[1] - SIDES[0]) * draws[0]
    stretch = 2 ** (draws[1] - 0.5)
    tall = np.maximum((height * np.minimum(side * stretch, 1)).astype(int), 1)
    wide = np.maximum((width * np.minimum(side / stretch, 1)).astype(int), 1)
    top = (draws[2] * (height - tall + 1)).astype(int)
    left = (draws[3] * (width - wide + 1)).astype(int)
    bottom, right = top + tall, left + wide
    sums = cv2.integral((label > CLEAR).astype(np.uint8))
    inside = sums[bottom, right] - sums[top, right] - sums[bottom, left] + sums[top, left]
    fits = np.flatnonzero(inside == 0)
    if not len(fits):
        return None
    first = fits[0]
    return slice(int(top[first]), int(bottom[first])), slice(int(left[first]), int(right[first]))
