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
    wanted = (bce(2.0, 1) + bce(-0.5, 0) + bce(0.1, 1)) / 3
    assert loss.item() == pytest.approx(wanted, rel=1e-6)
    loss.backward()
    gradient = z.grad
    assert gradient is not None
    # Towards more extreme logits, on either side.
    assert (gradient.sign() == -z.detach().sign()).all()


def test_the_published_consistency_has_a_value_and_no_gradient() -> None:
    z, hidden = logits(1.0, 1.0), logits(1.0, -1.0)
    targets, hidden_targets = torch.ones(1, 1, 1, 2), torch.tensor([[[[1.0, 0.0]]]])
    loss = consistency_loss(z, hidden, targets, hidden_targets, "published")
    assert loss.item() == 0.5
    assert not loss.requires_grad


def test_the_trained_consistencies_have_gradients() -> None:
    z, hidden = logits(1.0, 0.0), logits(-1.0, 0.0)
    targets = torch.ones(1, 1, 1, 2)
    between = consistency_loss(z, hidden, targets, targets, "saliency")
    sigmoid = 1 / (1 + math.exp(-1))
    assert between.item() == pytest.approx((2 * sigmoid - 1) ** 2 / 2, rel=1e-6)
    between.backward()
    assert z.grad is not None
    assert z.grad[0, 0, 0, 0] > 0
    z, hidden = logits(1.0, 0.0), logits(-1.0, 0.0)
    towards = consistency_loss(z, hidden, targets, targets, "target")
    assert towards.item() == pytest.approx((bce(-1, 1) + bce(0, 1)) / 2, rel=1e-6)
    towards.backward()
    assert z.grad is None
    assert hidden.grad is not None
    assert (hidden.grad < 0).all()


def test_the_total_weighs_each_term() -> None:
    config = TermsConfig(segmenter=1.5, hidden=1, consistency=2, sharpen=4)
    names = ("segmenter", "hidden", "consistency", "sharpen", "start")
    terms = {name: torch.tensor(10.0**power) for power, name in enumerate(names)}
    assert total_loss(terms, config, 3.0).item() == 1.5 + 10 + 200 + 4000 + 30000
    assert total_loss({"segmenter": torch.tensor(2.0)}, config, 3.0).item() == 3.0


def test_unknown_kinds_name_the_field() -> None:
    with pytest.raises(SodError, match=r"terms.consistency_kind: 'mse' is none of published"):
        TermsConfig(consistency_kind="mse")  # type: ignore[arg-type]
