"""Precision: what has to be computed in float32 or float64, whatever the precision of a run."""

from collections.abc import Callable
from contextlib import ExitStack
from functools import wraps
from typing import ParamSpec, TypeVar

import torch
from torch import Tensor

P = ParamSpec("P")
R = TypeVar("R")

HALF = (torch.float16, torch.bfloat16)
AUTOCAST_DEVICES = ("cpu", "cuda", "mps")


def full_precision(values: Tensor) -> Tensor:
    """Convert values to float32; float64 values are kept."""
    return values if values.dtype == torch.float64 else values.float()


def float64_device(device: torch.device) -> torch.device:
    """Return where to compute in float64: the device itself, or the CPU for Apple's GPUs."""
    return torch.device("cpu") if device.type == "mps" else device


def full_precision_region(function: Callable[P, R]) -> Callable[P, R]:
    """Decorate a function that is not to compute in half precision.

    It leaves autocast, and new tensors are float32 by default in runs whose default is half
    precision (``bf16-true``, ``16-true``). Its arguments keep their dtypes: the function converts
    them.

    Args:
        function: The function or method.
    """

    @wraps(function)
    def in_full_precision(*args: P.args, **kwargs: P.kwargs) -> R:
        with ExitStack() as stack:
            for device in AUTOCAST_DEVICES:
                if torch.is_autocast_enabled(device):
                    stack.enter_context(torch.autocast(device, enabled=False))
            default = torch.get_default_dtype()
            if default in HALF:
                stack.callback(torch.set_default_dtype, default)
                torch.set_default_dtype(torch.float32)
            return function(*args, **kwargs)

    return in_full_precision
