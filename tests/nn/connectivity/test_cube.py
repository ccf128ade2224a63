import numpy as np
import pytest
import torch
from helpers.connectivity_cases import MASKS, RINGS, as_masks, loop_cube, loop_votes, pairs
from hypothesis import given, settings
from torch import Tensor

from sod.core.errors import SodError
from sod.nn.connectivity.cube import (
    OFFSETS,
    aggregate,
    cube_from_masks,
    edge_set,
    opposites,
    saliency_from_logits,
    vote,
)


def test_the_opposite_of_a_neighbour_is_seven_minus_its_channel() -> None:
    for k, (down, right) in enumerate(OFFSETS):
        assert OFFSETS[7 - k] == (-down, -right)
    cube = torch.arange(16.0).view(1, 16, 1, 1)
    expected = [*range(7, -1, -1), *range(15, 7, -1)]
    assert opposites(cube).flatten().tolist() == expected


def test_cube_of_a_hand_drawn_mask() -> None:
    mask = torch.tensor([[1, 1, 0], [0, 1, 0], [0, 0, 0]], dtype=torch.bool)
    cube = cube_from_masks(mask[None, None])[0]
    # The corner pixel is connected to its right (4) and lower right (7) neighbours.
    assert cube[:, 0, 0].tolist() == [0, 0, 0, 0, 1, 0, 0, 1]
    assert cube[:, 0, 1].tolist() == [0, 0, 0, 1, 0, 0, 1, 0]
    assert cube[:, 1, 1].tolist() == [1, 1, 0, 0, 0, 0, 0, 0]
    assert cube.sum() == 6


@pytest.mark.parametrize("rings", RINGS)
@given(mask=MASKS)
@settings(max_examples=40, deadline=None)
def test_cube_and_voting_agree_with_a_loop(rings: tuple[int, ...], mask: np.ndarray) -> None:
    cube = cube_from_masks(as_masks(mask), rings)
    assert torch.equal(cube[0], loop_cube(torch.from_numpy(mask), rings))
    predicted = torch.rand(cube.shape, generator=torch.Generator().manual_seed(mask.size))
    assert torch.equal(vote(predicted, rings)[0], loop_votes(predicted[0], rings))


@pytest.mark.parametrize("height", range(1, 8))
@pytest.mark.parametrize("width", range(1, 8))
def test_every_size_agrees_with_a_loop(height: int, width: int) -> None:
    generator = torch.Generator().manual_seed(10 * height + width)
    mask = torch.rand(height, width, generator=generator) > 0.4
    cube = cube_from_masks(mask[None, None])
    assert torch.equal(cube[0], loop_cube(mask, (1,)))
    predicted = torch.rand(cube.shape, generator=generator)
    assert torch.equal(vote(predicted)[0], loop_votes(predicted[0], (1,)))


@given(mask=MASKS)
@settings(max_examples=60, deadline=None)
def test_both_pixels_of_a_pair_agree_in_the_cube_of_a_mask(mask: np.ndarray) -> None:
    cube = cube_from_masks(as_masks(mask))
    assert torch.equal(vote(cube), cube)
    assert torch.equal(vote(cube), seen_from_the_neighbours(cube))


def seen_from_the_neighbours(cube: Tensor) -> Tensor:
    """Move each entry to the neighbour's pixel and the opposite channel."""
    moved = torch.zeros_like(cube)
    for channel, row, column, r, c in pairs(*cube.shape[2:], (1,)):
        if r is not None:
            moved[0, 7 - channel, r, c] = cube[0, channel, row, column]
    return moved


def test_edges_by_hand() -> None:
    masks = torch.zeros(1, 1, 7, 7)
    masks[..., 0:5, 1:6] = 1
    masks[..., 6, 6] = 1
    edges = edge_set(cube_from_masks(masks))
    inner = torch.zeros_like(masks, dtype=torch.bool)
    inner[..., 1:4, 2:5] = True
    isolated = torch.zeros_like(inner)
    isolated[..., 6, 6] = True
    assert torch.equal(edges, masks.bool() & ~inner & ~isolated)  # the image border is an edge


def test_mean_aggregation_is_capped_at_the_boundary_and_max_is_not() -> None:
    votes = cube_from_masks(torch.ones(1, 1, 3, 3))
    expected = torch.tensor([[3, 5, 3], [5, 8, 5], [3, 5, 3]]) / 8
    assert torch.equal(aggregate(votes, "mean")[0, 0], expected)
    assert torch.equal(aggregate(votes, "max"), torch.ones(1, 1, 3, 3))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_saliency_of_half_precision_logits_does_not_underflow(dtype: torch.dtype) -> None:
    saliency = saliency_from_logits(torch.full((1, 8, 3, 3), -9.0, dtype=dtype), "max")
    assert saliency.dtype == torch.float32
    assert saliency[0, 0, 1, 1].item() == pytest.approx(1.5225e-8, rel=1e-3)


@pytest.mark.parametrize("shape", [(1, 7, 4, 4), (8, 4, 4), (1, 16, 4, 4)])
def test_wrong_channels_are_named(shape: tuple[int, ...]) -> None:
    with pytest.raises(SodError, match="connectivity: got shape"):
        vote(torch.zeros(shape))


def test_wrong_dilations_are_named() -> None:
    with pytest.raises(SodError, match="dilations"):
        cube_from_masks(torch.zeros(1, 1, 4, 4), (0,))
