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


def place() -> tuple[int, int]:
    """Return the number of this process and how many there are."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        return torch.distributed.get_rank(), torch.distributed.get_world_size()
    return 0, 1
