"""Human correction effort: how many clicks it takes to correct a binary map."""

import cv2
import numpy as np
import numpy.typing as npt
from torch import Tensor

from sod.core.extras import optional

Mask = npt.NDArray[np.bool_]
_CROSS = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))
_RELAX = 5  # pixels of boundary error that need no correction
_TOLERANCE = 2.0  # of a polygon, in pixels


def correction_effort(binary: Tensor, foreground: Tensor) -> float:
    """Return the human correction effort: polygon points and regions to be corrected by hand.

    Args:
        binary: The map, bool ``[H, W]``.
        foreground: The mask, bool ``[H, W]``.

    Returns:
        The number of clicks; 0 is best, and there is no upper limit.

    Raises:
        SodError: scikit-image, which thins the mask, is not installed.

    Source: Qin et al., ECCV 2022, section 4 and algorithm 1.
    """
    predicted, truth = binary.cpu().numpy(), foreground.cpu().numpy()
    found, extra, missed = predicted & truth, predicted & ~truth, truth & ~predicted
    core = _erode(predicted | truth, _RELAX)
    extra = extra & _grown(extra & core, ~truth)
    missed = missed & _grown(missed & core, ~predicted)
    missed |= _skeleton(truth) & ~found
    beyond = ~(found | extra | missed)
    return float(_effort(extra, found | missed) + _effort(missed, beyond))


def _skeleton(mask: Mask) -> Mask:
    morphology = optional("skimage.morphology", "measures", "the measure hce")
    return np.asarray(morphology.skeletonize(mask), bool)


def _erode(mask: Mask, times: int) -> Mask:
    return cv2.erode(mask.view(np.uint8), _CROSS, iterations=times).view(bool)


def _grown(mask: Mask, allowed: Mask) -> Mask:
    """Grow a mask pixel by pixel, within the allowed region."""
    for _ in range(_RELAX):
        mask = cv2.dilate(mask.view(np.uint8), _CROSS).view(bool) & allowed
    return mask


def _effort(region: Mask, neighbours: Mask) -> int:
    """Return the polygon points of the region's border with its neighbours, and its islands.

    Args:
        region: Pixels to correct.
        neighbours: Pixels whose border with the region must be drawn.
    """
    levels = region.view(np.uint8)
    near = cv2.dilate(neighbours.view(np.uint8), _CROSS).view(bool)
    contours, _ = cv2.findContours(levels, cv2.RETR_TREE, cv2.CHAIN_APPROX_NONE)
    count, labels = cv2.connectedComponents(levels, connectivity=8)
    islands = np.arange(count) > 0
    points = 0
    visited = np.zeros_like(region)
    for contour in contours:
        columns, rows = contour[:, 0, 0], contour[:, 0, 1]
        drawn = near[rows, columns] & ~visited[rows, columns]
        drawn[_repeated(rows * region.shape[1] + columns, drawn)] = False
        visited[rows[drawn], columns[drawn]] = True
        islands[labels[rows[drawn], columns[drawn]]] = False
        for part in _parts(np.asarray(contour, np.int32), drawn):
            points += len(cv2.approxPolyDP(part, _TOLERANCE, False))
    return points + int(np.count_nonzero(islands))


def _repeated(places: npt.NDArray[np.int64], drawn: Mask) -> npt.NDArray[np.int64]:
    """Return the positions of drawn points that were drawn before."""
    chosen = np.flatnonzero(drawn)
    _, first = np.unique(places[chosen], return_index=True)
    return np.delete(chosen, first)


def _parts(contour: npt.NDArray[np.int32], drawn: Mask) -> list[npt.NDArray[np.int32]]:
    """Return the runs of drawn points; first and last are joined where the contour closes."""
    changes = np.flatnonzero(np.diff(np.concatenate([[0], drawn.view(np.int8), [0]])))
    parts = [contour[start:stop] for start, stop in zip(changes[::2], changes[1::2], strict=True)]
    if len(parts) > 1 and np.abs(parts[0][0] - parts[-1][-1]).max() == 1:
        # Reversed, as the published code joins them.
        parts[-1] = np.concatenate([parts[-1], parts[0][::-1]])
        del parts[0]
    return parts
