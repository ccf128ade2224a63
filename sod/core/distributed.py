"""Rank, world size and collective operations, which also work in a single process."""

import os
from collections.abc import Callable
from typing import NamedTuple, TypeVar, cast

import torch
from torch import Tensor

from sod.core.errors import SodError

T = TypeVar("T")


class Launch(NamedTuple):
    """The processes that an external launcher started.

    Args:
        per_node: Processes on each node.
        nodes: Nodes.
    """

    per_node: int = 1
    nodes: int = 1

    @property
    def processes(self) -> int:
        """Their number."""
        return self.per_node * self.nodes


def external_launch() -> Launch:
    """Return what torchrun or SLURM's ``srun`` started; one process where neither did."""
    if torch.distributed.is_available() and torch.distributed.is_torchelastic_launched():
        world_size = int(os.environ.get("WORLD_SIZE", "1"))
        per_node = int(os.environ.get("LOCAL_WORLD_SIZE", str(world_size)))
        return Launch(per_node, world_size // per_node)
    nodes = int(os.environ.get("SLURM_NNODES", "1"))
    return Launch(slurm_tasks() // nodes, nodes) if slurm_tasks() > 1 else Launch()


def slurm_tasks() -> int:
    """Return the number of processes that SLURM started; 1 in an interactive shell.

    Lightning decides the same way whether it runs under SLURM.
    """
    interactive = os.environ.get("SLURM_JOB_NAME") in {"bash", "interactive"}
    if interactive or "SLURM_PROCID" not in os.environ:
        return 1
    return int(os.environ.get("SLURM_NTASKS", "1"))


def is_distributed() -> bool:
    """Return whether a process group is initialised."""
    return torch.distributed.is_available() and torch.distributed.is_initialized()


def rank_and_world_size() -> tuple[int, int]:
    """Return the rank of this process and the world size.

    Before the process group is initialised, both come from the launcher's environment variables:
    ``RANK`` and ``WORLD_SIZE`` (torchrun), ``SLURM_PROCID`` and ``SLURM_NTASKS``, or ``LOCAL_RANK``
    and ``WORLD_SIZE`` (processes that Lightning starts). Without a launcher they are 0 and 1.
    """
    if is_distributed():
        return torch.distributed.get_rank(), torch.distributed.get_world_size()
    if "RANK" not in os.environ and slurm_tasks() > 1:
        return int(os.environ["SLURM_PROCID"]), slurm_tasks()
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


def decide_on_rank_zero(decide: Callable[[], T]) -> T:
    """Let rank 0 decide, and return its decision in every process; every process must call this.

    Raises:
        SodError: The decision failed; in every process.
    """
    item: T | None = None
    error: str | None = None
    if is_rank_zero():
        try:
            item = decide()
        except SodError as failure:
            error = str(failure)
    item, error = from_rank_zero((item, error))
    if error is not None:
        raise SodError(error)
    return cast(T, item)


def from_rank_zero(item: T) -> T:
    """Return the item of rank 0; every process must call this."""
    return gather([item])[0]
