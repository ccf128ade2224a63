"""Regions of full precision, and where float64 is computed."""

import pytest
import torch
from torch import Tensor

from sod.core.precision import float64_device, full_precision, full_precision_region


@full_precision_region
def product(left: Tensor, right: Tensor) -> Tensor:
    return left @ right


def test_a_region_leaves_autocast_which_then_goes_on() -> None:
    ones = torch.ones(2, 2)
    with torch.autocast("cpu", torch.bfloat16):
        assert product(ones, ones).dtype == torch.float32
        assert (ones @ ones).dtype == torch.bfloat16
    assert not torch.is_autocast_enabled("cpu")


@pytest.mark.parametrize("half", [torch.float16, torch.bfloat16])
def test_a_region_creates_tensors_in_float32_and_restores_the_default(half: torch.dtype) -> None:
    @full_precision_region
    def third(fails: bool) -> Tensor:
        if fails:
            raise ArithmeticError
        return torch.tensor(1) / 3

    torch.set_default_dtype(half)
    try:
        assert third(fails=False) == torch.tensor(1 / 3, dtype=torch.float32)
        with pytest.raises(ArithmeticError):
            third(fails=True)
        assert torch.get_default_dtype() == half
    finally:
        torch.set_default_dtype(torch.float32)


def test_a_region_keeps_a_default_of_float64() -> None:
    torch.set_default_dtype(torch.float64)
    try:
        assert full_precision_region(torch.zeros)(1).dtype == torch.float64
    finally:
        torch.set_default_dtype(torch.float32)


def test_full_precision_converts_all_but_float64() -> None:
    kinds = (torch.float16, torch.bfloat16, torch.uint8, torch.bool, torch.float64)
    found = [full_precision(torch.ones(1, dtype=kind)).dtype for kind in kinds]
    assert found == [torch.float32] * 4 + [torch.float64]


def test_only_apples_gpus_leave_float64_to_the_cpu() -> None:
    found = [float64_device(torch.device(name)).type for name in ("cpu", "cuda:1", "mps:0")]
    assert found == ["cpu", "cuda", "cpu"]
