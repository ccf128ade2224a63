"""Rank, world size and collective operations, which also work in a single process."""

import os
from typing import TypeVar

import torch
from torch import Tensor

T = TypeVar("T")


def is_distributed() -> bool:
    """Return whether a process group is initialised."""
    return torch.distributed.is_available() and torch.distributed.is_initialized()


def rank_and_world_size() -> tuple[int, int]:
    """Return the rank of this process and the world size.

    Before the process group is initialised, both come from the launcher's environment variables
    (``RANK`` or ``LOCAL_RANK``, and ``WORLD_SIZE``); without a launcher they are 0 and 1.
    """
    if is_distributed():
        return torch.distributed.get_rank(), torch.distributed.get_world_size()
    rank = int(os.environ.get("RANK", os.environ.get("LOCAL_RANK", "0")))
    return rank, int(os.environ.get("WORLD_SIZE", "1"))


def is_rank_zero() -> bool:
    """Return whether this is rank 0, the process that writes shared files."""
    return rank_and_world_size()[0] == 0


def barrier() -> None:
    """Wait until all processes have reached this call."""
    if is_distributed():
        torch.distributed.barrier()


def all_reduce_sum(values: Tensor) -> Tensor:
    """Return the sum of ``values`` over all processes, on the same device."""
    if is_distributed():
        values = values.clone()
        torch.distributed.all_reduce(values)
    return values


def all_reduce_mean(values: Tensor) -> Tensor:
    """Return the mean of ``values`` over all processes, on the same device."""
    one = torch.ones(1, device=values.device, dtype=values.dtype)
    return all_reduce_sum(values) / all_reduce_sum(one)


def gather(items: list[T]) -> list[T]:
    """Return the concatenated lists of all processes, in order of rank."""
    if not is_distributed():
        return items
    parts: list[list[T]] = [[] for _ in range(torch.distributed.get_world_size())]
    torch.distributed.all_gather_object(parts, items)
    return [item for part in parts for item in part]
