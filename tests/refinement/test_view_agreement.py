"""The temperature that maps and those of mirrored images give, against a plain formulation."""

import pytest
import torch
from torch import Tensor

from sod.refinement.calibration import Calibration, calibrated
from sod.refinement.view_agreement import ViewAgreement


def maps(seed: int, certain: float) -> tuple[Tensor, Tensor]:
    """Return a map and another view of it, at the centres of 256 levels."""
    random = torch.Generator().manual_seed(seed)
    logits = certain * torch.randn(40, 50, generator=random)
    views = (logits, logits + torch.randn(40, 50, generator=random))
    first, second = (((256 * view.sigmoid()).floor() + 0.5) / 256 for view in views)
    return first, second


def difference(saliency: Tensor, view: Tensor, temperature: float) -> float:
    """The mean absolute error less the error at 0.5, of a map measured with the mask of a view."""
    mask = (view > 0.5).double()
    values = calibrated(saliency.double(), Calibration(temperature))
    return float((values - mask).abs().mean() - ((values > 0.5) != mask).double().mean())


def test_the_softest_maps_within_the_tolerance_are_chosen() -> None:
    agreement, pairs = ViewAgreement(), [maps(0, 1.0), maps(1, 3.0)]
    for pair in pairs:
        agreement.add(*pair)
    for tolerance in (0.01, 0.05):
        chosen = agreement.calibration(tolerance).temperature
        assert sum(difference(*pair, chosen) for pair in pairs) / 2 <= tolerance + 1e-6
        softer = sum(difference(*pair, 1.02 * chosen) for pair in pairs) / 2
        assert softer > tolerance


def test_images_count_alike_whatever_their_size() -> None:
    small, large = maps(0, 1.0), maps(1, 3.0)
    once, twice = ViewAgreement(), ViewAgreement()
    for agreement, wide in ((once, large), (twice, tuple(map_.repeat(2, 3) for map_ in large))):
        agreement.add(*small)
        agreement.add(*wide)
    torch.testing.assert_close(once.joint, twice.joint)


def test_maps_that_are_sharp_enough_stay_as_they_are() -> None:
    agreement = ViewAgreement()
    agreement.add(torch.tensor([0.0, 1.0]), torch.tensor([0.0, 1.0]))
    assert agreement.calibration(0.01) == Calibration(1.0)


@pytest.mark.parametrize("value", [0.4, 0.6])
def test_one_uncertain_pixel_by_hand(value: float) -> None:
    agreement = ViewAgreement()
    level = (int(value * 256) + 0.5) / 256
    agreement.add(torch.tensor([0.0, value, 1.0, 1.0]), torch.tensor([0.0, value, 1.0, 1.0]))
    chosen = agreement.calibration(0.05)
    temperature = abs(torch.tensor(level).logit().item()) / torch.tensor(0.8).logit().item()
    assert chosen.temperature == pytest.approx(temperature, rel=0.02)
