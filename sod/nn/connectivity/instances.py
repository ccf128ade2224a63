"""Instances without a detector: the connected groups of a predicted connectivity cube."""

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
    """The objects of one image, the largest first; of equal ones, the first in reading order.

    Args:
        labels: ``[H, W]`` int64; 0 is the background, ``i + 1`` the i-th object.
        boxes: ``[N, 4]`` int64, ``left, top, right, bottom`` in pixels, right and bottom excluded.
        areas: ``[N]`` int64, pixels.
        scores: ``[N]`` float64 in [0, 1], mean saliency (mean aggregation) inside.
    """

    labels: Tensor
    boxes: Tensor
    areas: Tensor
    scores: Tensor


def instances(
    cube: Tensor, threshold: float = 0.5, min_area: int = 2, dilations: Sequence[int] = (1,)
) -> Instances:
    """Group the pixels that are linked by votes above a threshold.

    Args:
        cube: ``[8R, H, W]`` probabilities of one image.
        threshold: a pair whose vote is above it belongs together.
        min_area: smaller groups become background, pixels.
        dilations: distance in pixels of each ring of neighbours.

    Returns:
        The groups, on the CPU. Objects that touch stay apart where the cube says so.

    Raises:
        SodError: if the cube is not that of one image, or has other rings.
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


def resize_instances(found: Instances, size: tuple[int, int]) -> Instances:
    """Bring instances to another size by nearest neighbour; those that vanish are left out.

    Args:
        found: Of one image.
        size: height and width of the result in pixels.
    """
    scaled = F.interpolate(found.labels[None, None].double(), size, mode="nearest-exact")[0, 0]
    coarse = scaled.numpy().astype(np.int64)
    kept = np.unique(coarse[coarse > 0])
    ranks = np.zeros(len(found.areas) + 1, dtype=np.int64)
    ranks[kept] = np.arange(1, len(kept) + 1)
    labels = ranks[coarse]
    return Instances(
        labels=torch.from_numpy(labels),
        boxes=torch.from_numpy(_boxes(labels, len(kept))),
        areas=torch.from_numpy(np.bincount(labels.ravel(), minlength=len(kept) + 1)[1:]),
        scores=found.scores[torch.from_numpy(kept - 1)],
    )


def _groups(linked: npt.NDArray[np.bool_], dilations: Sequence[int]) -> _Ints:
    """Number the groups of the pair graph ``[8R, H, W]``; pixels without a pair are alone."""
    height, width = linked.shape[1:]
    starts, ends = [], []
    for ring, distance in enumerate(dilations):
        # Votes are symmetric: the four neighbours that follow in reading order name every pair.
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
    """Renumber groups from 1, the largest first, and return their areas; small ones become 0."""
    _, firsts, inverse, sizes = np.unique(
        groups.ravel(), return_index=True, return_inverse=True, return_counts=True
    )
    order = np.lexsort((firsts, -sizes))
    order = order[sizes[order] >= max(min_area, 2)]
    ranks = np.zeros(len(sizes), dtype=np.int64)
    ranks[order] = np.arange(1, len(order) + 1)
    return ranks[inverse].reshape(groups.shape), sizes[order].astype(np.int64)


def _boxes(labels: _Ints, count: int) -> _Ints:
    boxes = np.zeros((count, 4), dtype=np.int64)
    for index, (rows, columns) in enumerate(find_objects(labels, count)):
        boxes[index] = columns.start, rows.start, columns.stop, rows.stop
    return boxes
