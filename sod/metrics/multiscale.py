"""Multi-scale IoU: how much of a mask's edge is found, at ten resolutions."""

from functools import cache
from typing import TypeVar

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

Bits = npt.NDArray[np.uint64]
Mask = npt.NDArray[np.bool_]
_Cell = TypeVar("_Cell", np.bool_, np.uint64)
_SCALES = 10  # cells of 1, 2, 4, ... 512 pixels


def multiscale_iou(binary: Tensor, foreground: Tensor) -> float:
    """Return the multi-scale IoU of a binary map.

    At each scale, the ratio is (|P ∩ G| + 1) / (|G| + 1) for the sets P and G of cells that the
    edges of map and mask touch. The measure is the area under these ratios.

    Args:
        binary: The map, bool ``[H, W]``.
        foreground: The mask, bool ``[H, W]``.

    Source: Ahmadzadeh et al., ICIP 2021, section 3; the edges are those of the authors' code.
    """
    predicted, truth = (_edges(mask.cpu().numpy()) for mask in (binary, foreground))
    ratios = []
    for _ in range(_SCALES):
        ratios.append((np.count_nonzero(predicted & truth) + 1) / (np.count_nonzero(truth) + 1))
        predicted, truth = _halved(predicted), _halved(truth)
    return float(_area(np.array(ratios)))


def multiscale_curve(codes: Tensor, foreground: Tensor, thresholds: int) -> tuple[Tensor, float]:
    """Return the multi-scale IoU of a map at all thresholds.

    All thresholds are treated at once: each pixel holds one bit per threshold at which it is an
    edge, and cells are joined by a bitwise or.

    Args:
        codes: Int64 ``[H, W]``, the number of thresholds each pixel passes.
        foreground: The mask, bool ``[H, W]``.
        thresholds: Number T of thresholds, at most 256.

    Returns:
        Float64 ``[T]``, and the value of a map without any predicted pixel.
    """
    truth = _edges(foreground.cpu().numpy())
    predicted = _edge_bits(codes.cpu().numpy())
    ratios, nothing = np.empty((_SCALES, thresholds)), np.empty(_SCALES)
    for scale in range(_SCALES):
        found = np.ascontiguousarray(predicted[truth]).view(np.uint8)
        hits = np.unpackbits(found, axis=1, bitorder="little").sum(0, dtype=np.int64)
        cells = np.count_nonzero(truth) + 1
        ratios[scale], nothing[scale] = (hits[:thresholds] + 1) / cells, 1 / cells
        predicted, truth = _halved(predicted), _halved(truth)
    curve = torch.from_numpy(_area(ratios)).to(codes.device)
    return curve, float(_area(nothing))


def _area(ratios: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the area under ratios at evenly spaced scales, by the trapezoidal rule."""
    inner = (ratios[1:] + ratios[:-1]) / 2
    return np.asarray((inner / (_SCALES - 1)).sum(0))


def _edges(mask: Mask) -> Mask:
    """Return where the Sobel gradient of a mask is not zero; beyond the border, the mask is 0."""
    levels = mask.view(np.uint8)
    across, along = (
        cv2.Sobel(levels, cv2.CV_16S, *order, borderType=cv2.BORDER_CONSTANT)
        for order in ((1, 0), (0, 1))
    )
    return np.asarray((across != 0) | (along != 0))


def _edge_bits(codes: npt.NDArray[np.int64]) -> Bits:
    """Return ``_edges`` at all thresholds: bit t of ``[H, W, 4]`` is set if there is an edge."""
    bits = np.pad(_passed()[codes], ((1, 1), (1, 1), (0, 0)))
    edges = _gradient(bits)
    edges |= _gradient(bits.swapaxes(0, 1)).swapaxes(0, 1)
    return edges


def _gradient(bits: Bits) -> Bits:
    """Return where the Sobel gradient along axis 0 is not zero, of padded bits ``[H, W, 4]``.

    The gradient is d1 + 2 d2 + d3 with three differences d in {-1, 0, 1} of neighbouring columns.
    It is zero if d2 = 0 and d1 = -d3, or if d1 = d3 = -d2.
    """
    below = bits[2:]
    changed = below ^ bits[:-2]
    first, middle, last = changed[:, :-2], changed[:, 1:-1], changed[:, 2:]
    both = first & last
    both &= ~(below[:, :-2] ^ below[:, 2:])  # d1 = d3, neither is 0
    single = (first ^ last) | both
    both &= below[:, :-2] ^ below[:, 1:-1]  # and d1 = -d2, where d2 is not 0
    return np.asarray((middle & ~both) | (single & ~middle), np.uint64)


@cache
def _passed() -> Bits:
    """Return which of 256 thresholds a pixel of each code 0..256 passes, as bits ``[257, 4]``."""
    steps = np.tri(257, 256, -1, dtype=np.uint8)
    return np.packbits(steps, axis=1, bitorder="little").view(np.uint64)


def _halved(cells: npt.NDArray[_Cell]) -> npt.NDArray[_Cell]:
    """Join blocks of 2 x 2 cells, counted from the lower right corner, by a (bitwise) or."""
    padding = [(size % 2, 0) for size in cells.shape[:2]] + [(0, 0)] * (cells.ndim - 2)
    padded = np.pad(cells, padding)
    rows = padded[::2] | padded[1::2]
    return np.asarray(rows[:, ::2] | rows[:, 1::2], cells.dtype)
