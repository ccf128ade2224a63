"""Overlap of masks; connected components and holes of binary masks (4-connectivity)."""

from collections.abc import Callable

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Mask = NDArray[np.uint8]


def mask_iou(left: Tensor, right: Tensor, empty: float = 1.0) -> Tensor:
    """Compute the intersection over union of masks; soft masks use minimum and maximum.

    Args:
        left: Boolean, or in [0, 1], ``[..., H, W]``.
        right: Of the same type, with a shape that broadcasts with that of ``left``.
        empty: Result for two empty masks.

    Returns:
        ``[...]`` in [0, 1].
    """
    overlap = torch.minimum(left, right).sum((-2, -1))
    union = torch.maximum(left, right).sum((-2, -1))
    return torch.where(union > 0, overlap / union.clamp(min=1e-12), empty)


def border_pixels(maps: Tensor) -> Tensor:
    """Return the outermost pixels of maps ``[B, H, W]``, each once, ``[B, N]``."""
    inner = maps[:, 1:-1]
    sides = [maps[:, :1], maps[:, 1:][:, -1:], inner[..., :1], inner[..., 1:][..., -1:]]
    return torch.cat([side.flatten(1) for side in sides], 1)


def seed_component(masks: Tensor, seeds: Tensor) -> Tensor:
    """Keep the connected component that contains the seed.

    Args:
        masks: Boolean, ``[B, 1, H, W]``.
        seeds: Index of the seed of each mask in its flattened pixels, integer, ``[B]``.

    Returns:
        Boolean, ``[B, 1, H, W]``; empty where the seed is not in the mask.
    """
    indices = seeds.tolist()
    return _map_masks(masks, lambda mask, number: _component_at(mask, int(indices[number])))


def largest_component(masks: Tensor) -> Tensor:
    """Keep the largest connected component of the foreground.

    Args:
        masks: Boolean, ``[B, C, H, W]``.

    Returns:
        Boolean, ``[B, C, H, W]``; empty where the mask is empty.
    """
    return _map_masks(masks, lambda mask, _: _largest(mask))


def components(mask: Tensor) -> Tensor:
    """Number the connected components of a mask ``[H, W]`` on the CPU, int64, 0 outside of it."""
    array = np.ascontiguousarray(mask.numpy().astype(np.uint8))
    return torch.from_numpy(cv2.connectedComponents(array, connectivity=4)[1]).long()


def fill_holes(masks: Tensor) -> Tensor:
    """Fill the background regions that are not connected to the border of the image.

    Args:
        masks: Boolean, ``[B, C, H, W]``.

    Returns:
        Boolean, ``[B, C, H, W]``.
    """
    if masks.device.type == "cuda":
        return _fill_holes_by_sweeps(masks)
    return _map_masks(masks, lambda mask, _: _fill(mask))


def binarise(soft: Tensor) -> Tensor:
    """Threshold refined saliency at one half and fill the holes.

    The published post-processing removes the largest label, foreground or background: for an object
    larger than half of the image it returns the complement, and without foreground a full mask.
    Here the foreground is always kept, and the mask without foreground is empty.

    Args:
        soft: Saliency in [0, 1], ``[B, C, H, W]``.

    Returns:
        Boolean, ``[B, C, H, W]``.
    """
    return fill_holes(soft > 0.5)


def _map_masks(masks: Tensor, change: Callable[[Mask, int], Mask]) -> Tensor:
    """Apply a function of a mask ``[H, W]`` and its index to all masks, on the CPU."""
    arrays = masks.to("cpu", torch.uint8).contiguous().flatten(0, -3).numpy()
    changed = [change(mask, number) for number, mask in enumerate(arrays)]
    return torch.from_numpy(np.stack(changed)).view(masks.shape).to(masks.device, torch.bool)


def _component_at(mask: Mask, index: int) -> Mask:
    """Return the connected component at a flat index, empty in the background."""
    labels = cv2.connectedComponents(mask, connectivity=4)[1]
    label = labels.flat[index]
    return np.asarray((labels == label) & (label > 0), dtype=np.uint8)


def _largest(mask: Mask) -> Mask:
    """Return the largest connected component."""
    _, labels, statistics, _ = cv2.connectedComponentsWithStats(mask, connectivity=4)
    if len(statistics) == 1:
        return mask
    largest = 1 + statistics[1:, cv2.CC_STAT_AREA].argmax()
    return np.asarray(labels == largest, dtype=np.uint8)


def _fill(mask: Mask) -> Mask:
    """Fill the holes by a flood fill of the background from a margin around the mask."""
    flooded = np.pad(mask, 1)
    cv2.floodFill(flooded, None, (0, 0), 2, flags=4)
    return np.asarray(flooded[1:-1, 1:-1] != 2, dtype=np.uint8)


def _fill_holes_by_sweeps(masks: Tensor) -> Tensor:
    """Fill the holes by sweeping the background from the border along rows and columns.

    The masks stay on their device. The sweeps are repeated until nothing changes; their number
    depends on the number of turns of the most winding background region.
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
    """Extend the reached pixels along one axis, up to the next wall."""
    if backward:
        return _sweep(walls.flip(axis), reached.flip(axis), axis, False).flip(axis)
    size = walls.shape[axis]
    positions = torch.arange(1, size + 1, dtype=torch.int32, device=walls.device)
    positions = positions.view(-1, *[1] * (-axis - 1))
    wall = (positions * walls).cummax(axis).values
    source = (positions * reached).cummax(axis).values
    return source > wall
