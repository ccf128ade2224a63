"""A loader of batches that is deterministic, resumable within an epoch and clear about errors."""

import os
from collections.abc import Iterable, Iterator, Sequence
from typing import TypedDict

import torch
from torch.utils.data import DataLoader, DistributedSampler, Sampler

from sod.core.errors import SodError
from sod.data.dataset import Batch, Item, OnError, SaliencyDataset, collate
from sod.data.sampler import EpochSampler, batches, eval_sampler
from sod.data.transforms import use_one_thread


class Position(TypedDict):
    """How far a loader is: batches given out in an epoch."""

    epoch: int
    batches: int


class Loader:
    """Batches of a dataset, in this process's share.

    A mistake found in a worker is raised here, in the main process, as its one line instead of the
    worker's traceback. It keeps its position (``state_dict``), so Lightning resumes in mid-epoch
    with the very batch that would have come next.

    Args:
        dataset: what to load.
        batch_size: images per batch and process.
        training: shuffle, and drop an incomplete last batch unless it is the only one.
        workers: number of worker processes; 0 reads in this process. It changes no result.
        on_error: see :func:`sod.data.dataset.collate`.
        replicas: number of processes that share the data.
        rank: this process.
    """

    def __init__(
        self,
        dataset: SaliencyDataset,
        batch_size: int = 1,
        *,
        training: bool = False,
        workers: int = 0,
        on_error: OnError = "raise",
        replicas: int = 1,
        rank: int = 0,
    ) -> None:
        self.dataset = dataset
        self.batch_size = batch_size
        self.sampler: DistributedSampler[int]
        if training:
            self.sampler = EpochSampler(dataset, replicas, rank, dataset.seed)
        else:
            self.sampler = eval_sampler(dataset, replicas, rank)
        self._share = len(self.sampler)
        self._drop_last = training and self._share >= batch_size
        self._position = Position(epoch=0, batches=0)
        self._resume: Position | None = None
        self._loader: DataLoader[Item] = DataLoader(
            dataset,
            batch_size,
            sampler=self.sampler,
            num_workers=workers,
            collate_fn=_Collate(on_error),
            drop_last=self._drop_last,
            pin_memory=torch.cuda.is_available(),
            worker_init_fn=use_one_thread,
            persistent_workers=training and workers > 0,
        )

    @property
    def batch_sampler(self) -> Sampler[list[int]] | Iterable[list[int]] | None:
        """The inner loader's, which Lightning looks at to know whether it shuffles."""
        return self._loader.batch_sampler

    def __len__(self) -> int:
        """Return the number of batches of a whole epoch, also when it is resumed in its middle."""
        return batches(self._share, self.batch_size, self._drop_last)

    def __iter__(self) -> Iterator[Batch]:
        """Yield the batches of the epoch that the sampler has when the first is asked for."""
        if isinstance(self.sampler, EpochSampler):
            self._start_epoch(self.sampler)
        for batch in self._loader:
            if isinstance(batch, SodError):
                raise type(batch)(*batch.args)  # a new one: no cycle keeps the workers alive
            self._position["batches"] += 1
            yield batch

    def state_dict(self) -> Position:
        """Return the position, of numbers only."""
        return Position(epoch=self._position["epoch"], batches=self._position["batches"])

    def load_state_dict(self, state: Position) -> None:
        """Go to a position: in its epoch, the batches before it are left out once."""
        self._resume = Position(epoch=state["epoch"], batches=state["batches"])

    def _start_epoch(self, sampler: EpochSampler) -> None:
        resume, self._resume = self._resume, None
        done = resume["batches"] if resume and resume["epoch"] == sampler.epoch else 0
        sampler.start_at(done * self.batch_size)
        self._position = Position(epoch=sampler.epoch, batches=done)


class _Collate:
    """Collate, but return a mistake: raised in a worker it would come with a traceback."""

    def __init__(self, on_error: OnError) -> None:
        self.on_error: OnError = on_error

    def __call__(self, items: Sequence[Item]) -> Batch | SodError:
        try:
            return collate(items, self.on_error)
        except SodError as error:
            return error


def default_workers(processes: int = 1) -> int:
    """Return a number of workers for one of several processes on this machine: its CPUs, at most 8.

    With a single CPU it is 0: a worker would only compete with the process it feeds.
    """
    affinity = getattr(os, "sched_getaffinity", None)
    cpus = len(affinity(0)) if affinity else (os.cpu_count() or 1)
    share = cpus // max(processes, 1)
    return min(share, 8) if share > 1 else 0
