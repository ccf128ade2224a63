from collections.abc import Sequence
from typing import Literal

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis.extra.numpy import arrays
from torch import Tensor

from sod.connectivity import (
    OFFSETS,
    Aggregation,
    aggregate,
    cube_from_labels,
    cube_from_masks,
    decoupled_map,
    edge_set,
    flip_cube,
    masks_from_cube,
    opposites,
    saliency_from_logits,
    vote,
)
from sod.errors import SodError
from sod.nn.connectivity_losses import ConnectivityWeights, connectivity_losses, pair_weights
from sod.nn.losses import binary_loss, dice_loss, iou_loss, weighted_mean
from sod.refine.instances import instances

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


def bce(probability: Tensor, target: Tensor) -> Tensor:
    return -(target * probability.log() + (1 - target) * (1 - probability).log())


def test_the_opposite_of_a_neighbour_is_seven_minus_its_channel() -> None:
    for k, (down, right) in enumerate(OFFSETS):
        assert OFFSETS[7 - k] == (-down, -right)
    cube = torch.arange(16.0).view(1, 16, 1, 1)
    expected = [*range(7, -1, -1), *range(15, 7, -1)]
    assert opposites(cube).flatten().tolist() == expected


def test_cube_of_a_hand_drawn_mask() -> None:
    mask = torch.tensor([[1, 1, 0], [0, 1, 0], [0, 0, 0]], dtype=torch.bool)
    cube = cube_from_masks(mask[None, None])[0]
    # The corner pixel is tied to its right (4) and lower right (7) neighbours.
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


@given(mask=MASKS)
@settings(max_examples=60, deadline=None)
def test_votes_of_a_true_cube_and_the_way_back(mask: np.ndarray) -> None:
    masks = as_masks(mask)
    cube = cube_from_masks(masks)
    assert torch.equal(vote(cube), cube)
    assert torch.equal(vote(cube), opposites_seen_from_the_other_side(cube))
    isolated = masks & (cube.sum(1, keepdim=True) == 0)
    assert torch.equal(masks_from_cube(cube), masks & ~isolated)


def opposites_seen_from_the_other_side(cube: Tensor) -> Tensor:
    seen = torch.zeros_like(cube)
    for channel, row, column, r, c in places(*cube.shape[2:], (1,)):
        if r is not None:
            seen[0, 7 - channel, r, c] = cube[0, channel, row, column]
    return seen


@pytest.mark.parametrize("direction", ["horizontal", "vertical"])
@pytest.mark.parametrize("rings", RINGS)
@given(mask=MASKS)
@settings(max_examples=25, deadline=None)
def test_flips_permute_the_channels(
    direction: Literal["horizontal", "vertical"], rings: tuple[int, ...], mask: np.ndarray
) -> None:
    masks = as_masks(mask)
    flipped = masks.flip(-1 if direction == "horizontal" else -2)
    cube = cube_from_masks(masks, rings)
    assert torch.equal(flip_cube(cube, direction), cube_from_masks(flipped, rings))
    assert torch.equal(flip_cube(flip_cube(cube, direction), direction), cube)


def test_edges_and_decoupled_map_by_hand() -> None:
    masks = torch.zeros(1, 1, 7, 7)
    masks[..., 0:5, 1:6] = 1
    masks[..., 6, 6] = 1
    edges = edge_set(cube_from_masks(masks))
    inner = torch.zeros_like(masks, dtype=torch.bool)
    inner[..., 1:4, 2:5] = True
    isolated = torch.zeros_like(inner)
    isolated[..., 6, 6] = True
    assert torch.equal(edges, masks.bool() & ~inner & ~isolated)  # the image border is an edge
    votes = torch.rand(1, 8, 7, 7)
    decoupled = decoupled_map(votes, edges, "mean")
    assert torch.equal(decoupled[edges], (1 - votes.min(1, keepdim=True).values)[edges])
    assert torch.equal(decoupled[~edges], votes.mean(1, keepdim=True)[~edges])


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


@pytest.mark.parametrize("aggregation", ["mean", "max"])
@pytest.mark.parametrize("rings", RINGS)
def test_losses_agree_with_probabilities(aggregation: Aggregation, rings: tuple[int, ...]) -> None:
    logits, masks = random_case(rings)
    weights = ConnectivityWeights(1.0, 0.8, 0.2, 0.5, 0.3, 0.7)
    losses = connectivity_losses(logits, masks, weights, aggregation, rings)

    cube = cube_from_masks(masks, rings)
    probability = logits.sigmoid()
    votes = vote(probability, rings)
    saliency = aggregate(votes, aggregation)
    decoupled = decoupled_map(votes, edge_set(cube), aggregation)
    # The border of the image gives exact zeros and ones, whose cross-entropy torch caps.
    capped = torch.nn.functional.binary_cross_entropy
    expected = {
        "decoupled": capped(decoupled, masks),
        "connectivity": bce(probability, cube).mean(),
        "voted": capped(votes, cube),
        "saliency": bce(saliency, masks).mean(),
        "dice": dice_loss(saliency, masks),
        "iou": iou_loss(saliency, masks),
    }
    for name, value in expected.items():
        assert losses[name].item() == pytest.approx(value.item(), rel=1e-9), name
    total = sum(getattr(weights, name) * value for name, value in expected.items())
    assert losses["loss"].item() == pytest.approx(float(total), rel=1e-9)


def test_published_weights_are_the_default() -> None:
    logits, masks = random_case()
    losses = connectivity_losses(logits, masks)
    assert set(losses) == {"loss", "decoupled", "connectivity", "voted"}
    total = losses["decoupled"] + 0.8 * losses["connectivity"] + 0.2 * losses["voted"]
    assert losses["loss"].item() == pytest.approx(total.item())


def test_all_weights_zero_is_a_mistake() -> None:
    with pytest.raises(SodError, match="every weight is zero"):
        connectivity_losses(*random_case(), ConnectivityWeights(0, 0, 0))


@pytest.mark.parametrize("aggregation", ["mean", "max"])
def test_gradients_agree_with_finite_differences(aggregation: Aggregation) -> None:
    logits, masks = random_case(size=(3, 4))
    weights = ConnectivityWeights(1.0, 0.8, 0.2, 0.5, 0.3, 0.7)
    assert torch.autograd.gradcheck(
        lambda x: connectivity_losses(x, masks, weights, aggregation)["loss"],
        (logits.requires_grad_(),),
    )


@pytest.mark.parametrize("aggregation", ["mean", "max"])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
@pytest.mark.parametrize("scale", [0.0, 1.0, 100.0, 6e4, float("inf")])
@pytest.mark.parametrize("fill", [0.0, 1.0, None])
def test_losses_and_gradients_are_finite(
    aggregation: Aggregation, dtype: torch.dtype, scale: float, fill: float | None
) -> None:
    generator = torch.Generator().manual_seed(0)
    signs = torch.randn(2, 8, 5, 6, generator=generator).sign()
    logits = (signs if scale == 0 else signs * scale).to(dtype) * (0 if scale == 0 else 1)
    logits.requires_grad_()
    masks = torch.rand(2, 1, 5, 6, generator=generator) > 0.5
    masks = masks if fill is None else torch.full_like(masks, bool(fill))
    weights = ConnectivityWeights(1.0, 0.8, 0.2, 0.5, 0.3, 0.7)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        losses = connectivity_losses(logits, masks, weights, aggregation)
    losses["loss"].backward()
    assert logits.grad is not None
    assert losses["loss"].dtype == torch.float32
    assert torch.isfinite(logits.grad).all()
    assert all(torch.isfinite(loss) for loss in losses.values())


@pytest.mark.parametrize("name", list(vars(ConnectivityWeights())))
def test_every_term_alone_reaches_the_logits(name: str) -> None:
    logits, masks = random_case()
    logits.requires_grad_()
    only = ConnectivityWeights(
        **{term: float(term == name) for term in vars(ConnectivityWeights())}
    )
    connectivity_losses(logits, masks, only)["loss"].backward()
    assert logits.grad is not None
    assert logits.grad.abs().sum() > 0


def test_a_confident_mistake_still_pulls() -> None:
    logits = torch.full((1, 8, 3, 3), 60.0, requires_grad=True)
    connectivity_losses(logits, torch.zeros(1, 1, 3, 3), ConnectivityWeights(0, 0, 1.0))[
        "loss"
    ].backward()
    assert logits.grad is not None
    assert logits.grad[0, :, 1, 1].min() > 1e-3  # through a clamped logarithm it would be zero


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 5), (5, 1), (32, 33), (63, 17)])
def test_losses_take_any_size(height: int, width: int) -> None:
    logits = torch.zeros(1, 16, height, width, requires_grad=True)
    losses = connectivity_losses(logits, torch.ones(1, 1, height, width), dilations=(1, 4))
    losses["loss"].backward()
    assert losses["connectivity"].item() == pytest.approx(np.log(2), rel=1e-6)


def test_trusted_pixels_alone_decide() -> None:
    logits, masks = random_case(size=(8, 8))
    trust = torch.ones(2, 1, 8, 8, dtype=torch.float64)
    trust[..., 5:] = 0
    wrong = masks.clone()
    wrong[..., 6:] = 1 - wrong[..., 6:]
    weights = ConnectivityWeights(0.0, 0.8, 0.2, 0.5, 0.3, 0.7)
    right_loss = connectivity_losses(logits, masks, weights, pixel_weights=trust)["loss"]
    wrong_loss = connectivity_losses(logits, wrong, weights, pixel_weights=trust)["loss"]
    assert right_loss.item() == wrong_loss.item()
    scaled = connectivity_losses(logits, masks, ConnectivityWeights(), pixel_weights=0.5 * trust)
    plain = connectivity_losses(logits, masks, ConnectivityWeights(), pixel_weights=trust)
    assert scaled["decoupled"].item() == pytest.approx(plain["decoupled"].item())


def test_pair_weights_by_hand() -> None:
    pairs = pair_weights(torch.tensor([[[[0.5, 0.25]]]]))[0]
    assert pairs[:, 0, 0].tolist() == [0.5, 0.5, 0.5, 0.5, 0.125, 0.5, 0.5, 0.5]
    assert pairs[3, 0, 1] == 0.125


def test_image_weights_scale_each_image() -> None:
    logits, masks = random_case()
    first = connectivity_losses(logits[:1], masks[:1])["loss"].item()
    second = connectivity_losses(logits[1:], masks[1:])["loss"].item()
    both = connectivity_losses(logits, masks, image_weights=torch.tensor([0.25, 1.0]))
    assert both["loss"].item() == pytest.approx((0.25 * first + second) / 2)


def test_weighted_mean_by_hand() -> None:
    values = torch.tensor([[1.0, 3.0], [2.0, 4.0]]).view(2, 1, 1, 2)
    pixels = torch.tensor([[3.0, 1.0], [0.0, 0.0]]).view(2, 1, 1, 2)
    assert weighted_mean(values).item() == 2.5
    assert weighted_mean(values, pixels).item() == 0.75  # (6 / 4 + 0) / 2
    assert weighted_mean(values, pixels, torch.tensor([2.0, 1.0])).item() == 1.5


def test_overlap_losses_by_hand() -> None:
    saliency = torch.tensor([0.5, 1.0, 0.0, 0.5]).view(1, 1, 2, 2)
    targets = torch.tensor([1.0, 1.0, 0.0, 0.0]).view(1, 1, 2, 2)
    assert dice_loss(saliency, targets, smooth=0.0).item() == pytest.approx(1 - 3 / 4)
    assert iou_loss(saliency, targets, smooth=0.0).item() == pytest.approx(1 - 1.5 / 2.5)
    empty = torch.zeros(1, 1, 2, 2)
    assert dice_loss(empty, empty).item() == iou_loss(empty, empty).item() == 0


def test_binary_loss_is_the_cross_entropy() -> None:
    logits, masks = random_case()
    expected = bce(logits[:, :1].sigmoid(), masks).mean()
    assert binary_loss(logits[:, :1], masks).item() == pytest.approx(expected.item())


def test_touching_instances_stay_apart() -> None:
    labels = torch.zeros(9, 12, dtype=torch.long)
    labels[1:8, 1:4] = 7
    labels[1:8, 4:10] = 3
    labels[8, 11] = 5  # alone: no pair, no instance
    found = instances(cube_from_labels(labels[None, None])[0])
    expected = torch.zeros_like(labels)
    expected[labels == 3] = 1  # the largest first
    expected[labels == 7] = 2
    assert torch.equal(found.labels, expected)
    assert found.boxes.tolist() == [[4, 1, 10, 8], [1, 1, 4, 8]]
    assert found.areas.tolist() == [42, 21]
    # 20 inner pixels of 8 links; 4 corners of 3; 18 others of 5.
    assert found.scores[0].item() == pytest.approx((20 * 8 + 4 * 3 + 18 * 5) / 8 / 42)


@given(mask=MASKS)
@settings(max_examples=40, deadline=None)
def test_instances_of_a_mask_are_its_connected_components(mask: np.ndarray) -> None:
    from scipy.ndimage import label

    found = instances(cube_from_masks(as_masks(mask))[0])
    components, count = label(mask, structure=np.ones((3, 3)))
    sizes = np.bincount(components.ravel(), minlength=count + 1)[1:]
    assert found.areas.tolist() == sorted((size for size in sizes if size > 1), reverse=True)
    for index, area in enumerate(found.areas.tolist()):
        inside = found.labels.numpy() == index + 1
        assert inside.sum() == area
        assert len(np.unique(components[inside])) == 1


def test_equal_instances_come_in_reading_order_and_small_ones_go() -> None:
    mask = torch.zeros(1, 1, 6, 9)
    mask[..., 4, 0:3] = 1
    mask[..., 1, 5:8] = 1
    mask[..., 1:3, 0] = 1
    found = instances(cube_from_masks(mask)[0], min_area=3)
    assert found.boxes.tolist() == [[5, 1, 8, 2], [0, 4, 3, 5]]
    assert instances(torch.zeros(8, 4, 4)).boxes.shape == (0, 4)


def test_longer_links_bridge_a_gap() -> None:
    mask = torch.zeros(1, 1, 3, 7)
    mask[..., 1, [0, 1, 3, 4]] = 1
    assert len(instances(cube_from_masks(mask)[0]).areas) == 2
    assert instances(cube_from_masks(mask, (1, 2))[0], dilations=(1, 2)).areas.tolist() == [4]


def test_instances_want_one_image() -> None:
    with pytest.raises(SodError, match="one cube"):
        instances(torch.zeros(1, 8, 4, 4))
