import numpy as np
import pytest
import torch
from helpers.connectivity_cases import RINGS, decoupled_map, random_case
from torch import Tensor

from sod.core.errors import SodError
from sod.nn.connectivity.cube import Aggregation, aggregate, cube_from_masks, edge_set, vote
from sod.nn.connectivity.losses import ConnectivityWeights, connectivity_losses, pair_weights
from sod.nn.losses.saliency import dice_loss, iou_loss

ALL_TERMS = ConnectivityWeights(1.0, 0.8, 0.2, 0.5, 0.3, 0.7)


def bce(probability: Tensor, target: Tensor) -> Tensor:
    return -(target * probability.log() + (1 - target) * (1 - probability).log())


@pytest.mark.parametrize("aggregation", ["mean", "max"])
@pytest.mark.parametrize("rings", RINGS)
def test_losses_agree_with_probabilities(aggregation: Aggregation, rings: tuple[int, ...]) -> None:
    logits, masks = random_case(rings)
    losses = connectivity_losses(logits, masks, ALL_TERMS, aggregation, rings)

    cube = cube_from_masks(masks, rings)
    probability = logits.sigmoid()
    votes = vote(probability, rings)
    saliency = aggregate(votes, aggregation)
    decoupled = decoupled_map(votes, edge_set(cube), aggregation)
    # The border of the image gives exact zeros and ones, whose logarithms PyTorch clamps.
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
    total = sum(getattr(ALL_TERMS, name) * value for name, value in expected.items())
    assert losses["loss"].item() == pytest.approx(float(total), rel=1e-9)


def test_published_weights_are_the_default() -> None:
    logits, masks = random_case()
    losses = connectivity_losses(logits, masks)
    assert set(losses) == {"loss", "decoupled", "connectivity", "voted"}
    total = losses["decoupled"] + 0.8 * losses["connectivity"] + 0.2 * losses["voted"]
    assert losses["loss"].item() == pytest.approx(total.item())


def test_all_weights_zero_is_an_error() -> None:
    with pytest.raises(SodError, match="every weight is zero"):
        connectivity_losses(*random_case(), ConnectivityWeights(0, 0, 0))


@pytest.mark.parametrize("aggregation", ["mean", "max"])
def test_gradients_agree_with_finite_differences(aggregation: Aggregation) -> None:
    logits, masks = random_case(size=(3, 4))
    assert torch.autograd.gradcheck(
        lambda x: connectivity_losses(x, masks, ALL_TERMS, aggregation)["loss"],
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
    with torch.autocast("cpu", dtype=torch.bfloat16):
        losses = connectivity_losses(logits, masks, ALL_TERMS, aggregation)
    losses["loss"].backward()
    assert logits.grad is not None
    assert losses["loss"].dtype == torch.float32
    assert torch.isfinite(logits.grad).all()
    assert all(torch.isfinite(loss) for loss in losses.values())


@pytest.mark.parametrize("aggregation", ["mean", "max"])
def test_soft_masks_that_touch_the_border_cost_no_more_than_hard_ones(
    aggregation: Aggregation,
) -> None:
    soft = torch.full((1, 1, 5, 6), 0.9)
    losses = connectivity_losses(torch.zeros(1, 8, 5, 6), soft, ALL_TERMS, aggregation)
    hard = connectivity_losses(torch.zeros(1, 8, 5, 6), soft > 0.5, ALL_TERMS, aggregation)
    assert losses["decoupled"].item() == pytest.approx(hard["decoupled"].item(), rel=0.2)
    assert all(loss < 3 for loss in losses.values())


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


def test_a_confident_error_still_has_a_gradient() -> None:
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


def test_pixels_of_weight_zero_do_not_matter() -> None:
    logits, masks = random_case(size=(8, 8))
    pixels = torch.ones(2, 1, 8, 8, dtype=torch.float64)
    pixels[..., 5:] = 0
    wrong = masks.clone()
    wrong[..., 6:] = 1 - wrong[..., 6:]
    weights = ConnectivityWeights(0.0, 0.8, 0.2, 0.5, 0.3, 0.7)
    right_loss = connectivity_losses(logits, masks, weights, pixel_weights=pixels)["loss"]
    wrong_loss = connectivity_losses(logits, wrong, weights, pixel_weights=pixels)["loss"]
    assert right_loss.item() == wrong_loss.item()
    scaled = connectivity_losses(logits, masks, ConnectivityWeights(), pixel_weights=0.5 * pixels)
    plain = connectivity_losses(logits, masks, ConnectivityWeights(), pixel_weights=pixels)
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
