import math

import pytest
import torch
from torch import Tensor

from sod.core.errors import SodError
from sod.nn.losses.peekaboo import TermsConfig, consistency_loss, sharpen_loss, total_loss


def logits(*values: float) -> Tensor:
    return torch.tensor(values).view(1, 1, 1, -1).requires_grad_()


def bce(logit: float, target: float) -> float:
    p = 1 / (1 + math.exp(-logit))
    return -(target * math.log(p) + (1 - target) * math.log(1 - p))


def test_sharpening_is_the_cross_entropy_to_the_own_prediction() -> None:
    z = logits(2.0, -0.5, 0.1)
    loss = sharpen_loss(z)
    expected = (bce(2.0, 1) + bce(-0.5, 0) + bce(0.1, 1)) / 3
    assert loss.item() == pytest.approx(expected, rel=1e-6)
    loss.backward()
    gradient = z.grad
    assert gradient is not None
    # A step moves every logit away from 0.
    assert (gradient.sign() == -z.detach().sign()).all()


def test_the_published_consistency_has_a_value_and_no_gradient() -> None:
    z, masked = logits(1.0, 1.0), logits(1.0, -1.0)
    targets, masked_targets = torch.ones(1, 1, 1, 2), torch.tensor([[[[1.0, 0.0]]]])
    loss = consistency_loss(z, masked, targets, masked_targets, "published")
    assert loss.item() == 0.5
    assert not loss.requires_grad


def test_the_trained_consistencies_have_gradients() -> None:
    z, masked = logits(1.0, 0.0), logits(-1.0, 0.0)
    targets = torch.ones(1, 1, 1, 2)
    between = consistency_loss(z, masked, targets, targets, "saliency")
    sigmoid = 1 / (1 + math.exp(-1))
    assert between.item() == pytest.approx((2 * sigmoid - 1) ** 2 / 2, rel=1e-6)
    between.backward()
    assert z.grad is not None
    assert z.grad[0, 0, 0, 0] > 0
    z, masked = logits(1.0, 0.0), logits(-1.0, 0.0)
    towards = consistency_loss(z, masked, targets, targets, "target")
    assert towards.item() == pytest.approx((bce(-1, 1) + bce(0, 1)) / 2, rel=1e-6)
    towards.backward()
    assert z.grad is None
    assert masked.grad is not None
    assert (masked.grad < 0).all()


def test_the_total_weighs_each_term() -> None:
    config = TermsConfig(segmenter=1.5, masked=1, consistency=2, sharpen=4)
    names = ("segmenter", "masked", "consistency", "sharpen", "initial")
    terms = {name: torch.tensor(10.0**power) for power, name in enumerate(names)}
    assert total_loss(terms, config, 3.0).item() == 1.5 + 10 + 200 + 4000 + 30000
    assert total_loss({"segmenter": torch.tensor(2.0)}, config, 3.0).item() == 3.0


def test_unknown_kinds_name_the_field() -> None:
    with pytest.raises(SodError, match=r"terms.consistency_kind: 'mse' is none of published"):
        TermsConfig(consistency_kind="mse")  # type: ignore[arg-type]
