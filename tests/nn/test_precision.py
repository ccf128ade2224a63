"""Modules that keep the precision of their values, and logits that half precision overflows."""

import pytest
import torch
from helpers.fake_devices import DEVICES, pretended
from torch import nn

from sod.nn.precision import KeepsPrecision, finite_logits


class Values(KeepsPrecision):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(2, 2)
        self.register_buffer("exact", torch.full((1,), 1e300, dtype=torch.float64))
        self.register_buffer("count", torch.ones((), dtype=torch.int64))


def test_half_precision_converts_only_the_module_around() -> None:
    whole = nn.Sequential(Values(), nn.Linear(2, 2)).half()
    assert {key: str(value.dtype)[6:] for key, value in whole.state_dict().items()} == {
        "0.exact": "float64",
        "0.count": "int64",
        "0.layer.weight": "float32",
        "0.layer.bias": "float32",
        "1.weight": "float16",
        "1.bias": "float16",
    }
    assert whole[0].exact == 1e300


def test_precision_may_rise_and_float_keeps_float64() -> None:
    values = Values().float()
    assert values.exact.dtype == torch.float64
    assert values.double().layer.weight.dtype == torch.float64


@pytest.mark.parametrize("device", DEVICES)
def test_float64_stays_where_the_device_has_none(device: str) -> None:
    values = Values()
    with pretended(device):
        values.to(device)
        assert values.layer.weight.device == values.count.device == torch.device(device)
        assert values.exact.device.type == ("cpu" if device == "mps:0" else "cuda")


def test_infinite_half_logits_become_finite() -> None:
    found = finite_logits(torch.tensor([7e4, -7e4, 3.0]).half())
    assert found.tolist() == [1e4, -1e4, 3.0]
