"""The processes of a run: which one this is, and numbers of all of them."""

import os
from typing import TypeVar

import torch
from torch import Tensor

T = TypeVar("T")


def is_running_with_others() -> bool:
    """Say whether several processes are connected."""
    return torch.distributed.is_available() and torch.distributed.is_initialized()


def rank_and_count() -> tuple[int, int]:
    """Return the number of this process and how many there are.

    Before they are connected, the one that was started by hand is number 0 of 1.
    """
    if is_running_with_others():
        return torch.distributed.get_rank(), torch.distributed.get_world_size()
    rank = int(os.environ.get("RANK", os.environ.get("LOCAL_RANK", "0")))
    return rank, int(os.environ.get("WORLD_SIZE", "1"))


def wait_for_others() -> None:
    """Wait until every connected process has come here."""
    if is_running_with_others():
        torch.distributed.barrier()


def sum_over_processes(values: Tensor) -> Tensor:
    """Return the sum of every process's values, on their device; theirs alone where it is one."""
    if is_running_with_others():
        values = values.clone()
        torch.distributed.all_reduce(values)
    return values


def mean_over_processes(values: Tensor) -> Tensor:
    """Return the mean of every process's values."""
    one = torch.ones(1, device=values.device, dtype=values.dtype)
    return sum_over_processes(values) / sum_over_processes(one)


def gathered(items: list[T]) -> list[T]:
    """Join the lists of all processes."""
    if not is_running_with_others():
        return items
    parts: list[list[T]] = [[] for _ in range(torch.distributed.get_world_size())]
    torch.distributed.all_gather_object(parts, items)
    return [item for part in parts for item in part]
