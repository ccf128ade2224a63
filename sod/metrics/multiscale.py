"""Multi-scale IoU: how much of a mask's edge is found, at ten resolutions."""

from collections.abc import Iterator
from typing import TypeVar

import cv2
import numpy as np
import numpy.typing as npt
from torch import Tensor

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
_Cell = TypeVar("_Cell", np.bool_, np.uint64)
SCALES = 10
"""Cells of 1, 2, 4, ... 512 pixels."""


def edge_cells(mask: Tensor) -> list[Mask]:
    """Return the cells that the edges of a mask, bool ``[H, W]``, touch at each scale."""
    return list(scales(_edges(mask.cpu().numpy())))


def multiscale_iou(binary: Tensor, truth: list[Mask]) -> float:
    """Return the multi-scale IoU of a binary map.

    At each scale, the ratio is (|P ∩ G| + 1) / (|G| + 1) for the sets P and G of cells that the
    edges of map and mask touch. The measure is the area under these ratios.

    Args:
        binary: The map, bool ``[H, W]``.
        truth: The mask's ``edge_cells``.

    Source: Ahmadzadeh et al., ICIP 2021, section 3; the edges are those of the authors' code.
    """
    pairs = zip(edge_cells(binary), truth, strict=True)
    hits = [np.count_nonzero(predicted & cells) for predicted, cells in pairs]
    return float(area_of_hits(np.array(hits), truth))


def area_of_hits(hits: npt.NDArray[np.int64], truth: list[Mask]) -> Array:
    """Return the area under the ratios at evenly spaced scales, by the trapezoidal rule.

    Args:
        hits: Number of common cells ``[SCALES, ...]``.
        truth: The mask's ``edge_cells``.
    """
    cells = np.array([np.count_nonzero(each) for each in truth])
    ratios = ((hits.T + 1) / (cells + 1)).T
    inner = (ratios[1:] + ratios[:-1]) / 2
    return np.asarray((inner / (SCALES - 1)).sum(0))


def scales(cells: npt.NDArray[_Cell]) -> Iterator[npt.NDArray[_Cell]]:
    """Yield cells ``[H, W]`` at every scale; a larger cell is the (bitwise) or of four smaller."""
    yield cells
    for _ in range(SCALES - 1):
        cells = _halved(cells)
        yield cells


def _halved(cells: npt.NDArray[_Cell]) -> npt.NDArray[_Cell]:
    """Join blocks of 2 x 2 cells, counted from the lower right corner."""
    rows, columns = (size % 2 for size in cells.shape)
    if rows or columns:
        padded = np.zeros((cells.shape[0] + rows, cells.shape[1] + columns), cells.dtype)
        padded[rows:, columns:] = cells
        cells = padded
    joined = cells[::2] | cells[1::2]
    if joined.dtype == np.bool_:
        return np.asarray(joined.view(np.uint16) != 0, cells.dtype)  # both cells of a pair at once
    return np.asarray(joined[:, ::2] | joined[:, 1::2], cells.dtype)


def _edges(mask: Mask) -> Mask:
    """Return where the Sobel gradient of a mask is not zero; beyond the border, the mask is 0."""
    levels = mask.view(np.uint8)
    across, along = (
        cv2.Sobel(levels, cv2.CV_16S, *order, borderType=cv2.BORDER_CONSTANT)
        for order in ((1, 0), (0, 1))
    )
    return np.asarray((across != 0) | (along != 0))
