"""Multi-scale IoU of a map at all thresholds, 64 thresholds at a time.

Each pixel holds one bit per threshold at which it is an edge, and cells are joined by a bitwise or.
Most pixels are surrounded by pixels that pass the same of 64 thresholds: these are no edges, and
only the others are looked at.
"""

from functools import cache

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from sod.metrics.multiscale import SCALES, Mask, area_of_hits, scales

Bits = npt.NDArray[np.uint64]
Steps = npt.NDArray[np.uint8]
_WORD = 64  # thresholds in a word of bits
_BLOCK = 8192  # pixels at a time, so that their words stay in the cache
_SQUARE = np.ones((3, 3), np.uint8)


def multiscale_curve(codes: Tensor, truth: list[Mask], thresholds: int) -> tuple[Tensor, float]:
    """Return the multi-scale IoU of a map at all thresholds.

    Args:
        codes: Integers ``[H, W]``, the number of thresholds each pixel passes.
        truth: The mask's ``edge_cells``.
        thresholds: Number T of thresholds.

    Returns:
        Float64 ``[T]``, and the value of a map without any predicted pixel.
    """
    levels = np.pad(codes.cpu().numpy().astype(np.int16, copy=False), 1)
    hits = np.zeros((SCALES, thresholds), np.int64)
    for first in range(0, thresholds, _WORD):
        steps = (levels - np.int16(first)).clip(0, _WORD).astype(np.uint8)
        found = zip(scales(_edge_bits(steps)), truth, strict=True)
        word = np.stack([_counted(bits[cells]) for bits, cells in found])
        hits[:, first : first + _WORD] = word[:, : thresholds - first]
    nothing = area_of_hits(np.zeros(SCALES, np.int64), truth)
    return torch.from_numpy(area_of_hits(hits, truth)).to(codes.device), float(nothing)


def _counted(bits: Bits) -> npt.NDArray[np.int64]:
    """Return how many of the words ``[N]`` have each of the 64 bits set."""
    if not len(bits):
        return np.zeros(_WORD, np.int64)
    single = np.unpackbits(bits.view(np.uint8), bitorder="little").reshape(-1, _WORD)
    return np.asarray(cv2.reduce(single, 0, cv2.REDUCE_SUM, dtype=cv2.CV_32S)[0], np.int64)


def _edge_bits(steps: Steps) -> Bits:
    """Return where a map has edges at 64 thresholds: bit t of a pixel belongs to threshold t.

    Args:
        steps: Number of these thresholds that each pixel passes, ``[H + 2, W + 2]`` with a frame
            of zeros.

    Returns:
        ``[H, W]``; there is an edge where the Sobel gradient of the binary map is not zero.
    """
    mixed = cv2.dilate(steps, _SQUARE) != cv2.erode(steps, _SQUARE)
    mixed[[0, -1]] = mixed[:, [0, -1]] = False
    places = np.flatnonzero(mixed)
    edges = np.zeros(steps.shape, np.uint64)
    for first in range(0, len(places), _BLOCK):
        part = places[first : first + _BLOCK]
        edges.ravel()[part] = _gradients(steps, part)
    return edges[1:-1, 1:-1]


def _gradients(steps: Steps, places: npt.NDArray[np.int64]) -> Bits:
    """Return where one of the two Sobel gradients is not zero, ``[N]``."""
    flat, width = steps.ravel(), steps.shape[1]
    around = {
        (row, column): _passed().take(flat.take(places + (row * width + column)))
        for row in (-1, 0, 1)
        for column in (-1, 0, 1)
        if row or column
    }
    down = [(around[1, k], around[-1, k]) for k in (-1, 0, 1)]
    right = [(around[k, 1], around[k, -1]) for k in (-1, 0, 1)]
    return _gradient(down) | _gradient(right)


def _gradient(pairs: list[tuple[Bits, Bits]]) -> Bits:
    """Return where a Sobel gradient is not zero, from three pairs of opposite neighbours.

    The gradient is d1 + 2 d2 + d3 with the differences d in {-1, 0, 1} of the pairs. It is zero if
    d2 = 0 and d1 = -d3, or if d1 = d3 = -d2.
    """
    first, middle, last = (after ^ before for after, before in pairs)
    (sign, _), (middle_sign, _), (last_sign, _) = pairs
    alike = first & last & ~(sign ^ last_sign)  # d1 = d3, neither is 0
    single = (first ^ last) | alike
    opposite = alike & (sign ^ middle_sign)  # and d1 = -d2, where d2 is not 0
    return np.asarray((middle & ~opposite) | (single & ~middle), np.uint64)


@cache
def _passed() -> Bits:
    """Return which of 64 thresholds a pixel passes that passes 0, 1, ... 64 of them, ``[65]``."""
    steps = np.tri(_WORD + 1, _WORD, -1, dtype=np.uint8)
    return np.packbits(steps, axis=1, bitorder="little").view(np.uint64)[:, 0]
