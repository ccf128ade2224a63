"""Calibration: its formula, where it is applied, and what files may say of it."""

import math
from typing import Any

import pytest
import torch

from sod.core.errors import SodError
from sod.refinement.calibration import Calibration, calibrated, finished, read_calibrations, stated


def test_a_value_by_hand() -> None:
    values = torch.tensor([0.0, 0.5, 0.8, 1.0])
    result = calibrated(values, Calibration(temperature=0.5))
    expected = [0.0, 0.5, 16 / 17, 1.0]  # odds of 4, squared
    torch.testing.assert_close(result, torch.tensor(expected))


def test_values_that_a_solver_leaves_outside_of_the_range_are_numbers() -> None:
    values = torch.tensor([-1e-6, 1 + 1e-6], dtype=torch.float64)
    result = calibrated(values, Calibration(0.1))
    assert result.tolist() == [0.0, 1.0]
    assert result.dtype == torch.float64


def test_only_the_calibrated_refinement_is_changed() -> None:
    images = torch.full((1, 3, 8, 8), 0.5)  # one cell: the result is the share of the foreground
    saliency = torch.rand(1, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    own = {"bilateral": Calibration(0.5)}
    assert finished(images, saliency, "none", own) is saliency
    plain = finished(images, saliency, "bilateral")
    changed = finished(images, saliency, "bilateral", own)
    assert torch.equal(changed, calibrated(plain, Calibration(0.5)))
    assert not torch.equal(changed, plain)


def test_what_is_stated_is_read_again() -> None:
    own = {"none": Calibration(0.5), "adaptive": Calibration(0.2)}
    assert read_calibrations(stated(own), "file") == own
    assert stated({}) == {}
    assert read_calibrations({}, "file") == {}


@pytest.mark.parametrize(
    "entry",
    [
        [1],
        {"none": 1},
        {"none": {}},
        {"none": {"temperature": 0}},
        {"none": {"temperature": math.inf}},
        {"none": {"temperature": math.nan}},
        {"none": {"temperature": "x"}},
    ],
)
def test_a_damaged_entry_is_refused(entry: Any) -> None:  # noqa: ANN401
    with pytest.raises(SodError, match="file: is damaged: its calibration"):
        read_calibrations({"calibration": entry}, "file")
