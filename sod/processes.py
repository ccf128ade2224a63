"""Numbers of all processes of a run."""

import torch
from torch import Tensor


def sum_over_processes(values: Tensor) -> Tensor:
    """Return the sum of every process's values, on their device; theirs alone where it is one."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        values = values.clone()
        torch.distributed.all_reduce(values)
    return values


def mean_over_processes(values: Tensor) -> Tensor:
    """Return the mean of every process's values."""
    one = torch.ones(1, device=values.device, dtype=values.dtype)
    return sum_over_processes(values) / sum_over_processes(one)
