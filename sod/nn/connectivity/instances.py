"""Instances without a detector: connected groups of pixels in a predicted connectivity cube."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from scipy.ndimage import find_objects
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from torch import Tensor

from sod.core.errors import SodError
from sod.nn.connectivity.cube import OFFSETS, aggregate, vote

_Ints = npt.NDArray[np.int64]


@dataclass
class Instances:
    """The objects of one image, sorted by decreasing area, ties in raster order.

    Args:
        labels: ``[H, W]`` int64; 0 is the background, ``i + 1`` the i-th object.
        boxes: ``[N, 4]`` int64, ``left, top, right, bottom`` in pixels, right and bottom exclusive.
        areas: ``[N]`` int64, in pixels.
        scores: ``[N]`` float64 in [0, 1], mean saliency (mean aggregation) inside the object.
    """

    labels: Tensor
    boxes: Tensor
    areas: Tensor
    scores: Tensor


def instances(
    cube: Tensor, threshold: float = 0.5, min_area: int = 2, dilations: Sequence[int] = (1,)
) -> Instances:
    """Group the pixels that are connected by votes above a threshold.

    Args:
        cube: Probabilities ``[8R, H, W]`` of one image.
        threshold: Pairs with a vote above it are connected.
        min_area: Smaller groups become background, in pixels.
        dilations: Distance in pixels of each ring of neighbours.

    Returns:
        The groups, on the CPU. Touching objects are separate where their votes are low.

    Raises:
        SodError: If the cube is not that of one image, or does not match ``dilations``.
    """
    if cube.ndim != 3:
        raise SodError(f"instances: got shape {tuple(cube.shape)}; pass one cube [8R, H, W]")
    votes = vote(cube.detach().cpu()[None], dilations)
    saliency = aggregate(votes)[0, 0].double().numpy()
    groups = _groups((votes[0] > threshold).numpy(), dilations)
    labels, areas = _ranked(groups, min_area)
    totals = np.bincount(labels.ravel(), saliency.ravel(), minlength=len(areas) + 1)[1:]
    return Instances(
        labels=torch.from_numpy(labels),
        boxes=torch.from_numpy(_boxes(labels, len(areas))),
        areas=torch.from_numpy(areas),
        scores=torch.from_numpy(totals / areas),
    )


def resize_instances(objects: Instances, size: tuple[int, int]) -> Instances:
    """Resize instances by nearest neighbour; those that vanish are left out.

    Args:
        objects: The instances of one image.
        size: Height and width of the result in pixels.
    """
    # Labels are counted in floats: exact in float32 up to 2 ** 24 objects.
    scaled = F.interpolate(objects.labels[None, None].float(), size, mode="nearest-exact")[0, 0]
    coarse = scaled.to(torch.int32).numpy()
    counts = np.bincount(coarse.ravel(), minlength=len(objects.areas) + 1)[1:]
    kept = np.flatnonzero(counts) + 1
    ranks = np.zeros(len(objects.areas) + 1, dtype=np.int64)
    ranks[kept] = np.arange(1, len(kept) + 1)
    labels = ranks[coarse]
    return Instances(
        labels=torch.from_numpy(labels),
        boxes=torch.from_numpy(_boxes(labels, len(kept))),
        areas=torch.from_numpy(counts[kept - 1].astype(np.int64)),
        scores=objects.scores[torch.from_numpy(kept - 1)],
    )


def _groups(linked: npt.NDArray[np.bool_], dilations: Sequence[int]) -> _Ints:
    """Number the connected groups of pixels ``[H, W]`` given the connected pairs ``[8R, H, W]``."""
    height, width = linked.shape[1:]
    starts, ends = [], []
    for ring, distance in enumerate(dilations):
        # Votes are symmetric: the four neighbours later in raster order cover every pair.
        for k in range(4, 8):
            start = np.flatnonzero(linked[8 * ring + k])
            starts.append(start)
            ends.append(start + distance * (OFFSETS[k][0] * width + OFFSETS[k][1]))
    rows, columns = np.concatenate(starts), np.concatenate(ends)
    size = height * width
    pairs = coo_array((np.ones(len(rows), dtype=np.bool_), (rows, columns)), shape=(size, size))
    _, groups = connected_components(pairs, directed=False)
    return np.asarray(groups, dtype=np.int64).reshape(height, width)


def _ranked(groups: _Ints, min_area: int) -> tuple[_Ints, _Ints]:
    """Renumber groups from 1 by decreasing area, small ones as 0, and return the areas."""
    _, firsts, inverse, sizes = np.unique(
        groups.ravel(), return_index=True, return_inverse=True, return_counts=True
    )
    order = np.lexsort((firsts, -sizes))
    order = order[sizes[order] >= max(min_area, 2)]
    ranks = np.zeros(len(sizes), dtype=np.int64)
    ranks[order] = np.arange(1, len(order) + 1)
    return ranks[inverse].reshape(groups.shape), sizes[order].astype(np.int64)


def _boxes(labels: _Ints, count: int) -> _Ints:
    """Return the bounding boxes ``[count, 4]`` of the labels from 1 on."""
    boxes = np.zeros((count, 4), dtype=np.int64)
    for index, (rows, columns) in enumerate(find_objects(labels, count)):
        boxes[index] = columns.start, rows.start, columns.stop, rows.stop
    return boxes
