"""Connectivity cubes: a mask told as which neighbouring pixels belong together.

Channel ``k`` of a cube says how surely a pixel and its ``k``-th neighbour are both salient. The
eight neighbours are counted in raster order, so that the opposite of ``k`` is ``7 - k``. A cube
with several ``dilations`` holds one ring of eight channels after the other, the neighbours of each
ring lying that many pixels away. Everything outside the image is not salient.

Sources: ConnNet (Kampffmeyer et al., TIP 2019) and BiconNet (Yang et al., PR 2022).
"""

from collections.abc import Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from sod.core.errors import SodError

Aggregation = Literal["mean", "max"]

OFFSETS = ((-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 1), (1, -1), (1, 0), (1, 1))
"""Row and column offset of the neighbour of each channel."""

_MIRRORED = {"horizontal": (2, 1, 0, 4, 3, 7, 6, 5), "vertical": (5, 6, 7, 3, 4, 0, 1, 2)}


def neighbours(maps: Tensor, dilations: Sequence[int] = (1,), fill: float = 0.0) -> Tensor:
    """Read each channel at the neighbour it stands for.

    Args:
        maps: ``[B, 1, H, W]`` (one map, read eight times a ring) or ``[B, 8R, H, W]``.
        dilations: distance in pixels of each of the ``R`` rings.
        fill: the value outside the image.

    Returns:
        ``[B, 8R, H, W]``; channel ``8r + k`` at ``p`` is the value at ``p + dilations[r] * o_k``.

    Raises:
        SodError: if the channels do not fit the rings, or a distance is below one.
    """
    rings = _checked(maps, dilations)
    height, width = maps.shape[-2:]
    reach = max(rings)
    padded = F.pad(maps, (reach, reach, reach, reach), value=fill)
    views = []
    for channel, (ring, (down, right)) in enumerate((r, o) for r in rings for o in OFFSETS):
        top, left = reach + ring * down, reach + ring * right
        source = channel if maps.shape[1] > 1 else 0
        views.append(padded[:, source, top : top + height, left : left + width])
    return torch.stack(views, dim=1)


def opposites(cube: Tensor) -> Tensor:
    """Swap each channel of a cube ``[B, 8R, H, W]`` with that of the opposite neighbour."""
    return _by_ring(cube).flip(2).reshape(cube.shape)


def cube_from_masks(masks: Tensor, dilations: Sequence[int] = (1,)) -> Tensor:
    """Return the connectivity ``M(p) M(p + o_k)`` of masks.

    Args:
        masks: ``[B, 1, H, W]`` in [0, 1], of any type; soft masks give soft cubes.
        dilations: distance in pixels of each ring of neighbours.

    Returns:
        ``[B, 8R, H, W]``, float.
    """
    values = full_precision(masks)
    return values * neighbours(values, dilations)


def cube_from_labels(labels: Tensor, dilations: Sequence[int] = (1,)) -> Tensor:
    """Return the connectivity of instances: one where two pixels share a label other than zero.

    Args:
        labels: ``[B, 1, H, W]`` integers, zero for the background.
        dilations: distance in pixels of each ring of neighbours.

    Returns:
        ``[B, 8R, H, W]`` float32 in {0, 1}; touching instances are not connected.
    """
    return ((labels == neighbours(labels, dilations)) & (labels != 0)).float()


def masks_from_cube(cube: Tensor, threshold: float = 0.5) -> Tensor:
    """Return the pixels with a connection above the threshold, ``[B, 1, H, W]`` bool.

    Inverts `cube_from_masks` but for isolated pixels, which have no neighbour to be connected to.
    """
    return cube.amax(dim=1, keepdim=True) > threshold


def vote(cube: Tensor, dilations: Sequence[int] = (1,)) -> Tensor:
    """Let both pixels of a pair agree: ``C_k(p) C_{7-k}(p + o_k)`` (bilateral voting).

    Args:
        cube: ``[B, 8R, H, W]`` probabilities.
        dilations: distance in pixels of each ring of neighbours.

    Returns:
        ``[B, 8R, H, W]`` in float32 at least: in half precision the product would underflow.
    """
    values = full_precision(cube)
    return values * neighbours(opposites(values), dilations)


def aggregate(votes: Tensor, aggregation: Aggregation = "mean") -> Tensor:
    """Reduce votes ``[B, 8R, H, W]`` to saliency ``[B, 1, H, W]``.

    The mean (published with BiconNet) stays below one at the boundary of an object, where some
    neighbours are background; the maximum does not.
    """
    if aggregation == "mean":
        return votes.mean(dim=1, keepdim=True)
    return votes.amax(dim=1, keepdim=True)


def saliency_from_logits(
    logits: Tensor, aggregation: Aggregation = "mean", dilations: Sequence[int] = (1,)
) -> Tensor:
    """Return saliency ``[B, 1, H, W]`` in [0, 1] of predicted cube logits ``[B, 8R, H, W]``."""
    return aggregate(vote(full_precision(logits).sigmoid(), dilations), aggregation)


def edge_set(cube: Tensor) -> Tensor:
    """Return the salient pixels with a missing connection, ``[B, 1, H, W]`` bool.

    Args:
        cube: ``[B, 8R, H, W]`` of a binary mask. Salient pixels on the image border are edges.
    """
    total = cube.sum(dim=1, keepdim=True)
    return (total > 0) & (total < cube.shape[1])


def decoupled_map(votes: Tensor, edges: Tensor, aggregation: Aggregation = "mean") -> Tensor:
    """Return saliency off the edges and ``1 - min_k`` of the votes on them (BiconNet, eq. of RGA).

    Args:
        votes: ``[B, 8R, H, W]`` in [0, 1].
        edges: ``[B, 1, H, W]`` bool, from the mask trained on.
        aggregation: how votes become saliency off the edges.

    Returns:
        ``[B, 1, H, W]``. On an edge it is high where some connection is surely broken.
    """
    broken = 1 - votes.amin(dim=1, keepdim=True)
    return torch.where(edges, broken, aggregate(votes, aggregation))


def flip_cube(cube: Tensor, direction: Literal["horizontal", "vertical"]) -> Tensor:
    """Flip a cube ``[B, 8R, H, W]`` and its neighbours: the cube of the flipped mask."""
    order = torch.tensor(_MIRRORED[direction], device=cube.device)
    mirrored = _by_ring(cube).index_select(2, order).reshape(cube.shape)
    return mirrored.flip(-1 if direction == "horizontal" else -2)


def full_precision(values: Tensor) -> Tensor:
    """Return values in float32, or in float64 where they are already."""
    return values if values.dtype == torch.float64 else values.float()


def _by_ring(cube: Tensor) -> Tensor:
    if cube.ndim != 4 or cube.shape[1] % 8:
        raise SodError(f"connectivity: got shape {tuple(cube.shape)}; a cube is [B, 8R, H, W]")
    batch, channels, height, width = cube.shape
    return cube.reshape(batch, channels // 8, 8, height, width)


def _checked(maps: Tensor, dilations: Sequence[int]) -> tuple[int, ...]:
    rings = tuple(dilations)
    if not rings or min(rings) < 1:
        raise SodError(f"dilations: {list(rings)} is not a list of distances of one pixel or more")
    if maps.ndim != 4 or maps.shape[1] not in (1, 8 * len(rings)):
        raise SodError(
            f"connectivity: got shape {tuple(maps.shape)}; dilations {list(rings)} need"
            f" [B, {8 * len(rings)}, H, W] or [B, 1, H, W]"
        )
    return rings
