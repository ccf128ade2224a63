"""Contrast of a map, and the weights that follow from it."""

import pytest
import torch
from torch import Tensor

from sod.labels.score import contrast_and_area, image_weights


def box(value: float, border: float) -> Tensor:
    saliency = torch.full((10, 10), border, dtype=torch.float64)
    saliency[2:-2, 2:-2] = value
    return saliency


@pytest.mark.parametrize(
    ("saliency", "contrast", "area"),
    [
        (box(0.8, 0.05), 0.8 - 0.05, 36 / 100),  # 0.05 counts as zero
        (box(0.8, 0.06), (36 * 0.8 + 64 * 0.06) / 100 - 0.06, 36 / 100),
        (box(0.8, 0.2), (36 * 0.8 + 64 * 0.2) / 100 - 0.2, 36 / 100),
        (torch.zeros(4, 5), 0.0, 0.0),
        (torch.ones(1, 1), 0.0, 1.0),
        # In a column every pixel is border, each counted once: 0.7 - (0.7 + 0.1 + 0.1) / 3.
        (torch.tensor([[0.1], [0.7], [0.1]]), 0.9 / 3 - 0.9 / 3, 1 / 3),
    ],
    ids=["dark-border", "grey-border", "bright-border", "zero", "one-pixel", "column"],
)
def test_contrast_is_the_mean_inside_minus_the_border(
    saliency: Tensor, contrast: float, area: float
) -> None:
    assert contrast_and_area(saliency) == pytest.approx((contrast, area), abs=1e-6)


def test_weights_rise_linearly_with_the_contrast() -> None:
    soft = torch.zeros(4, 1, 10, 10)
    soft[0, :, 3:6, 3:6] = 1.0  # contrast 1
    soft[1, :, 3:6, 3:6] = 0.45  # half way between 0.2 and 0.7
    soft[2] = 0.8  # no contrast
    assert image_weights(soft).tolist() == pytest.approx([1.0, 0.5, 0.1, 0.1])
