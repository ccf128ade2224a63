"""The value of the nearest foreground pixel, for pixels close to a mask.

The nearest foreground pixel is found as the smallest of some numbers, so that the search takes no
index arithmetic. Along a column, it is the smallest step: 0, 1, 2, 3, ... for the offsets 0, -1, 1,
-2, ... Among columns, it is the smallest key

    256 * squared distance + 16 * (column offset + 4) + (row offset + 4).

Offsets are -4..4, so that each takes 4 bits. The lower bits resolve ties: the leftmost, then the
uppermost of equally near pixels is taken, as in SciPy's feature transform and therefore in
PySODMetrics.
"""

import cv2
import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Steps = npt.NDArray[np.uint8]
Places = npt.NDArray[np.intp]
_REACH = 3  # of a 7 x 7 neighbourhood, in pixels
_NEIGHBOURHOOD = np.ones((2 * _REACH + 1, 2 * _REACH + 1), np.uint8)
_MARGIN = 4  # largest offset: the corner of the neighbourhood is 3√2 < 5 pixels away
_OFFSETS = tuple(sorted(range(-_MARGIN, _MARGIN + 1), key=lambda offset: (abs(offset), offset)))
_NO_STEP = len(_OFFSETS)  # no foreground pixel in the column
_NO_KEY = 20_000  # above all keys, and within int16 with the key of a column
_KEYS = np.array([256 * row**2 + row + _MARGIN for row in _OFFSETS] + [_NO_KEY], np.int16)


def spread_outwards(values: Array, foreground: npt.NDArray[np.bool_]) -> Array:
    """Replace the values of background pixels by the value of their nearest foreground pixel.

    Only pixels in the 7 x 7 neighbourhood of a foreground pixel are replaced. The search is exact.

    Args:
        values: ``[H, W]``.
        foreground: ``[H, W]``.
    """
    mask = foreground.view(np.uint8)
    rows, columns = np.nonzero(cv2.dilate(mask, _NEIGHBOURHOOD) > mask)
    key = _smallest_keys(_smallest_steps(mask), rows, columns)
    near_rows, near_columns = rows + (key & 15) - _MARGIN, columns + (key >> 4 & 15) - _MARGIN
    spread = values.copy()
    spread[rows, columns] = values[near_rows, near_columns]
    return spread


def _smallest_steps(mask: Steps) -> Steps:
    """Return the step to the nearest foreground pixel of each column, ``[H, W + 8]``.

    There are 4 columns without foreground on either side.
    """
    height, width = mask.shape
    absent = np.full((height + 2 * _MARGIN, width + 2 * _MARGIN), _NO_STEP, np.uint8)
    inner = absent[_MARGIN:-_MARGIN, _MARGIN:-_MARGIN]
    inner[mask != 0] = 0
    best = absent[_MARGIN:-_MARGIN].copy()
    for step, offset in enumerate(_OFFSETS):
        there = absent[_MARGIN + offset :][:height]
        np.minimum(best, np.maximum(there, np.uint8(step)), out=best)
    return best


def _smallest_keys(steps: Steps, rows: Places, columns: Places) -> Places:
    """Return the smallest key of each of these pixels, ``[N]``."""
    flat, places = steps.ravel(), rows * steps.shape[1] + columns
    best = np.full(len(places), np.iinfo(np.int16).max, np.int16)
    for tap in range(2 * _MARGIN + 1):
        key = _KEYS.take(flat.take(places + tap))
        key += np.int16(256 * (tap - _MARGIN) ** 2 + 16 * tap)
        np.minimum(best, key, out=best)
    return best.astype(np.intp)
