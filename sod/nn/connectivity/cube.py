"""Connectivity cubes: masks represented by pairs of neighbouring pixels.

Channel ``k`` of a cube is the probability that a pixel and its ``k``-th neighbour are both salient.
The eight neighbours are numbered in raster order, so that the opposite of ``k`` is ``7 - k``. A
cube with several ``dilations`` has one ring of eight channels per dilation, whose neighbours lie
that many pixels away. Pixels outside the image are not salient.

Sources: ConnNet (Kampffmeyer et al., TIP 2019) and BiconNet (Yang et al., PR 2022).
"""

from collections.abc import Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from sod.core.errors import SodError
from sod.core.precision import full_precision

Aggregation = Literal["mean", "max"]

OFFSETS = ((-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 1), (1, -1), (1, 0), (1, 1))
"""Row and column offset of the neighbour of each channel."""


def neighbours(maps: Tensor, dilations: Sequence[int] = (1,), fill: float = 0.0) -> Tensor:
    """Shift each channel so that every pixel holds the value of its neighbour.

    Args:
        maps: ``[B, 1, H, W]`` (one map, used for every channel) or ``[B, 8R, H, W]``.
        dilations: Distance in pixels of each of the ``R`` rings.
        fill: Value outside the image.

    Returns:
        ``[B, 8R, H, W]``; channel ``8r + k`` at ``p`` is the value at ``p + dilations[r] * o_k``.

    Raises:
        SodError: If the channels do not match the rings, or a distance is below one.
    """
    rings = _checked(maps, dilations)
    height, width = maps.shape[-2:]
    reach = max(rings)
    padded = F.pad(maps, (reach, reach, reach, reach), value=fill)
    views = []
    for channel, (ring, (down, right)) in enumerate((r, o) for r in rings for o in OFFSETS):
        top, left = reach + ring * down, reach + ring * right
        index = channel if maps.shape[1] > 1 else 0
        views.append(padded[:, index, top : top + height, left : left + width])
    return torch.stack(views, dim=1)


def opposites(cube: Tensor) -> Tensor:
    """Swap the channels of opposite neighbours in a cube ``[B, 8R, H, W]``."""
    return _by_ring(cube).flip(2).reshape(cube.shape)


def cube_from_masks(masks: Tensor, dilations: Sequence[int] = (1,)) -> Tensor:
    """Return the cube ``M(p) M(p + o_k)`` of masks ``M``.

    Args:
        masks: ``[B, 1, H, W]`` in [0, 1], of any type; soft masks give soft cubes.
        dilations: Distance in pixels of each ring of neighbours.

    Returns:
        ``[B, 8R, H, W]``, float32 at least.
    """
    values = full_precision(masks)
    return values * neighbours(values, dilations)


def vote(cube: Tensor, dilations: Sequence[int] = (1,)) -> Tensor:
    """Multiply both predictions of each pair: ``C_k(p) C_{7-k}(p + o_k)`` (bilateral voting).

    Args:
        cube: Probabilities ``[B, 8R, H, W]``.
        dilations: Distance in pixels of each ring of neighbours.

    Returns:
        Votes ``[B, 8R, H, W]`` in float32 at least: in half precision products would underflow.
    """
    values = full_precision(cube)
    return values * neighbours(opposites(values), dilations)


def aggregate(votes: Tensor, aggregation: Aggregation = "mean") -> Tensor:
    """Reduce votes ``[B, 8R, H, W]`` to saliency ``[B, 1, H, W]``.

    The mean (published with BiconNet) stays below one at the boundary of an object, where some
    neighbours are background. The maximum can reach one there.
    """
    if aggregation == "mean":
        return votes.mean(dim=1, keepdim=True)
    return votes.amax(dim=1, keepdim=True)


def saliency_from_logits(
    logits: Tensor, aggregation: Aggregation = "mean", dilations: Sequence[int] = (1,)
) -> Tensor:
    """Return the saliency ``[B, 1, H, W]`` in [0, 1] of cube logits ``[B, 8R, H, W]``."""
    return aggregate(vote(full_precision(logits).sigmoid(), dilations), aggregation)


def edge_set(cube: Tensor) -> Tensor:
    """Return the salient pixels with a missing connection, ``[B, 1, H, W]`` bool.

    Args:
        cube: Cube ``[B, 8R, H, W]`` of a binary mask. Salient pixels on the image border are edges.
    """
    total = cube.sum(dim=1, keepdim=True)
    return (total > 0) & (total < cube.shape[1])


def _by_ring(cube: Tensor) -> Tensor:
    """Reshape a cube ``[B, 8R, H, W]`` to ``[B, R, 8, H, W]``."""
    if cube.ndim != 4 or cube.shape[1] % 8:
        raise SodError(f"connectivity: got shape {tuple(cube.shape)}; a cube is [B, 8R, H, W]")
    batch, channels, height, width = cube.shape
    return cube.reshape(batch, channels // 8, 8, height, width)


def _checked(maps: Tensor, dilations: Sequence[int]) -> tuple[int, ...]:
    """Return the dilations if they are valid and match the channels, or raise an error."""
    rings = tuple(dilations)
    if not rings or min(rings) < 1:
        raise SodError(f"dilations: {list(rings)} is not a list of distances of one pixel or more")
    if maps.ndim != 4 or maps.shape[1] not in (1, 8 * len(rings)):
        raise SodError(
            f"connectivity: got shape {tuple(maps.shape)}; dilations {list(rings)} need"
            f" [B, {8 * len(rings)}, H, W] or [B, 1, H, W]"
        )
    return rings
