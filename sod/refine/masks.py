"""Connected components of binary masks, their holes and their boxes (4-connectivity)."""

from collections.abc import Callable
from typing import Literal

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Mode = Literal["single", "multi"]
Mask = NDArray[np.uint8]


def seed_component(masks: Tensor, seeds: Tensor) -> Tensor:
    """Keep the component that contains the seed.

    Args:
        masks: Boolean, ``[B, 1, H, W]``.
        seeds: Index of each seed in its flattened mask, integer, ``[B]``.

    Returns:
        Boolean, ``[B, 1, H, W]``; empty where the seed is not in the mask.
    """
    indices = seeds.tolist()
    return _each(masks, lambda mask, number: _component_at(mask, int(indices[number])))


def largest_component(masks: Tensor) -> Tensor:
    """Keep the largest component of the foreground, however little or much it covers.

    Args:
        masks: Boolean, ``[B, C, H, W]``.

    Returns:
        Boolean, ``[B, C, H, W]``; empty where the mask is empty.
    """
    return _each(masks, lambda mask, _: _largest(mask))


def fill_holes(masks: Tensor) -> Tensor:
    """Fill the background that the border of the image does not reach.

    Args:
        masks: Boolean, ``[B, C, H, W]``.

    Returns:
        Boolean, ``[B, C, H, W]``.
    """
    if masks.device.type == "cuda":
        return _fill_holes_by_sweeps(masks)
    return _each(masks, lambda mask, _: _fill(mask))


def binarise(soft: Tensor, mode: Mode = "single") -> Tensor:
    """Turn refined saliency into masks: above one half, holes filled.

    The published post-processing drops the largest label, whichever it is, and so returns the
    complement of an object above half of the image; here the foreground is known by its value.
    Without any foreground the published mask is full, here it is empty.

    Args:
        soft: Saliency in [0, 1], ``[B, C, H, W]``.
        mode: ``"single"`` keeps the largest component, ``"multi"`` all of them.

    Returns:
        Boolean, ``[B, C, H, W]``.
    """
    masks = fill_holes(soft > 0.5)
    return largest_component(masks) if mode == "single" else masks


def tight_boxes(masks: Tensor) -> Tensor:
    """Return the box around the foreground of each mask.

    Args:
        masks: Boolean, ``[B, 1, H, W]``.

    Returns:
        Boxes ``[x0, y0, x1, y1)`` in pixels, int64, ``[B, 4]``; all zero where the mask is empty.
    """
    first, last = zip(*(_ends(masks.flatten(1, 2).any(axis)) for axis in (1, 2)), strict=True)
    return torch.stack([*first, *last], 1)


def _ends(occupied: Tensor) -> tuple[Tensor, Tensor]:
    """Return the first and one past the last occupied place of each row ``[B, N]``, 0 if none."""
    size = occupied.shape[1]
    weights = occupied.byte()
    last = size - weights.flip(1).argmax(1)
    return weights.argmax(1), last * occupied.any(1)


def _each(masks: Tensor, change: Callable[[Mask, int], Mask]) -> Tensor:
    """Apply a function of one mask and its number to all masks, on the CPU."""
    planes = masks.to("cpu", torch.uint8).contiguous().flatten(0, -3).numpy()
    changed = [change(mask, number) for number, mask in enumerate(planes)]
    return torch.from_numpy(np.stack(changed)).view(masks.shape).to(masks.device, torch.bool)


def _component_at(mask: Mask, index: int) -> Mask:
    labels = cv2.connectedComponents(mask, connectivity=4)[1]
    label = labels.flat[index]
    return np.asarray((labels == label) & (label > 0), dtype=np.uint8)


def _largest(mask: Mask) -> Mask:
    _, labels, statistics, _ = cv2.connectedComponentsWithStats(mask, connectivity=4)
    if len(statistics) == 1:
        return mask
    largest = 1 + statistics[1:, cv2.CC_STAT_AREA].argmax()
    return np.asarray(labels == largest, dtype=np.uint8)


def _fill(mask: Mask) -> Mask:
    """Flood the background from a margin around the mask; what stays dry is foreground."""
    flooded = np.pad(mask, 1)
    cv2.floodFill(flooded, None, (0, 0), 2, flags=4)
    return np.asarray(flooded[1:-1, 1:-1] != 2, dtype=np.uint8)


def _fill_holes_by_sweeps(masks: Tensor) -> Tensor:
    """Flood the background from the border in straight sweeps, until nothing changes.

    All masks stay on their device; the number of rounds is that of the turns of the longest bay.
    """
    reached = torch.ones_like(masks)
    reached[..., 1:-1, 1:-1] = False
    reached &= ~masks
    while True:
        before = reached
        for axis in (-1, -2):
            for backward in (False, True):
                reached = _sweep(masks, reached, axis, backward)
        if torch.equal(before, reached):
            return ~reached


def _sweep(walls: Tensor, reached: Tensor, axis: int, backward: bool) -> Tensor:
    """Carry what is reached along one axis, up to the next wall."""
    if backward:
        return _sweep(walls.flip(axis), reached.flip(axis), axis, False).flip(axis)
    size = walls.shape[axis]
    places = torch.arange(1, size + 1, dtype=torch.int32, device=walls.device)
    places = places.view(-1, *[1] * (-axis - 1))
    wall = (places * walls).cummax(axis).values
    source = (places * reached).cummax(axis).values
    return source > wall
