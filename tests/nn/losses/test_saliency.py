import pytest
import torch
from helpers.connectivity_cases import random_case

from sod.nn.losses.saliency import binary_loss, dice_loss, iou_loss, weighted_mean


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
    probability = logits[:, :1].sigmoid()
    expected = -(masks * probability.log() + (1 - masks) * (1 - probability).log()).mean()
    assert binary_loss(logits[:, :1], masks).item() == pytest.approx(expected.item())
