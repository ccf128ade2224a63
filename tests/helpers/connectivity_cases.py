"""Masks, logits and plain versions of the connectivity functions."""

from collections.abc import Sequence

import hypothesis.strategies as st
import numpy as np
import torch
from hypothesis.extra.numpy import arrays
from torch import Tensor

from sod.nn.connectivity.cube import OFFSETS, Aggregation, aggregate, neighbours

RINGS = [(1,), (2,), (1, 3)]
SIZES = st.tuples(st.integers(1, 9), st.integers(1, 9))
MASKS = SIZES.flatmap(lambda size: arrays(np.bool_, size))


def pairs(
    height: int, width: int, rings: Sequence[int]
) -> list[tuple[int, int, int, int | None, int | None]]:
    """List channel, row and column of all pixels, and those of the neighbour (None outside)."""
    entries = []
    for row in range(height):
        for column in range(width):
            for index, ring in enumerate(rings):
                for k, (down, right) in enumerate(OFFSETS):
                    r, c = row + ring * down, column + ring * right
                    inside = 0 <= r < height and 0 <= c < width
                    neighbour = (r, c) if inside else (None, None)
                    entries.append((8 * index + k, row, column, *neighbour))
    return entries


def loop_cube(mask: Tensor, rings: Sequence[int]) -> Tensor:
    cube = torch.zeros(8 * len(rings), *mask.shape)
    for channel, row, column, r, c in pairs(*mask.shape, rings):
        if r is not None and mask[row, column] and mask[r, c]:
            cube[channel, row, column] = 1
    return cube


def loop_votes(cube: Tensor, rings: Sequence[int]) -> Tensor:
    votes = torch.zeros_like(cube)
    for channel, row, column, r, c in pairs(*cube.shape[1:], rings):
        if r is not None:
            back = 8 * (channel // 8) + 7 - channel % 8
            votes[channel, row, column] = cube[channel, row, column] * cube[back, r, c]
    return votes


def cube_from_labels(labels: Tensor) -> Tensor:
    """Return the cube of instances ``[B, 1, H, W]``: pairs with the same label other than 0."""
    return ((labels == neighbours(labels)) & (labels != 0)).float()


def decoupled_map(votes: Tensor, edges: Tensor, aggregation: Aggregation) -> Tensor:
    """Return the saliency off the edges, and one minus the lowest vote on them."""
    broken = 1 - votes.amin(dim=1, keepdim=True)
    return torch.where(edges, broken, aggregate(votes, aggregation))


def as_masks(mask: np.ndarray) -> Tensor:
    return torch.from_numpy(mask)[None, None]


def random_case(rings: Sequence[int] = (1,), size: tuple[int, int] = (6, 7)) -> tuple[Tensor, ...]:
    generator = torch.Generator().manual_seed(3)
    logits = 3 * torch.randn(2, 8 * len(rings), *size, generator=generator, dtype=torch.float64)
    masks = (torch.rand(2, 1, *size, generator=generator) > 0.4).double()
    return logits, masks
