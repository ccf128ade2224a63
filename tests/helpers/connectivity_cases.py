"""Masks, logits and the per-pixel loop that connectivity is compared with."""

from collections.abc import Sequence

import hypothesis.strategies as st
import numpy as np
import torch
from hypothesis.extra.numpy import arrays
from torch import Tensor

from sod.nn.connectivity.cube import OFFSETS

RINGS = [(1,), (2,), (1, 3)]
SIZES = st.tuples(st.integers(1, 9), st.integers(1, 9))
MASKS = SIZES.flatmap(lambda size: arrays(np.bool_, size))


def places(
    height: int, width: int, rings: Sequence[int]
) -> list[tuple[int, int, int, int | None, int | None]]:
    """Channel, pixel and neighbour (None outside), one pixel and one channel at a time."""
    found = []
    for row in range(height):
        for column in range(width):
            for index, ring in enumerate(rings):
                for k, (down, right) in enumerate(OFFSETS):
                    r, c = row + ring * down, column + ring * right
                    inside = 0 <= r < height and 0 <= c < width
                    found.append(
                        (8 * index + k, row, column, *((r, c) if inside else (None, None)))
                    )
    return found


def loop_cube(mask: Tensor, rings: Sequence[int]) -> Tensor:
    cube = torch.zeros(8 * len(rings), *mask.shape)
    for channel, row, column, r, c in places(*mask.shape, rings):
        if r is not None and mask[row, column] and mask[r, c]:
            cube[channel, row, column] = 1
    return cube


def loop_votes(cube: Tensor, rings: Sequence[int]) -> Tensor:
    votes = torch.zeros_like(cube)
    for channel, row, column, r, c in places(*cube.shape[1:], rings):
        if r is not None:
            back = 8 * (channel // 8) + 7 - channel % 8
            votes[channel, row, column] = cube[channel, row, column] * cube[back, r, c]
    return votes


def as_masks(mask: np.ndarray) -> Tensor:
    return torch.from_numpy(mask)[None, None]


def random_case(rings: Sequence[int] = (1,), size: tuple[int, int] = (6, 7)) -> tuple[Tensor, ...]:
    generator = torch.Generator().manual_seed(3)
    logits = 3 * torch.randn(2, 8 * len(rings), *size, generator=generator, dtype=torch.float64)
    masks = (torch.rand(2, 1, *size, generator=generator) > 0.4).double()
    return logits, masks
