"""Deterministic data loader that can resume within an epoch."""

import os
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TypedDict

import torch
from torch.utils.data import DataLoader, Sampler

from sod.core.background import cpu_share
from sod.core.errors import SodError
from sod.core.stopping import outlive_signals
from sod.data.dataset import AnyBatch, Item, OnError, SaliencyDataset, collate, collate_group
from sod.data.groups import GroupEpochSampler, GroupSampler
from sod.data.sampler import EpochSampler, EvalSampler, batches
from sod.data.transforms import use_one_thread
from sod.data.windows import windows


class Position(TypedDict):
    """Progress of a loader: the number of batches yielded in an epoch."""

    epoch: int
    batches: int


class Loader:
    """Loader of this process's share of a dataset.

    A :class:`SodError` raised in a worker is re-raised in the main process without the worker's
    traceback. ``state_dict`` holds the position, so that Lightning resumes within an epoch with the
    batch that would have come next.

    A process without images gets one batch of none, images ``[0, 3, 0, 0]``: Lightning skips a loop
    without batches, and the other processes would wait for its collective operations.

    Args:
        dataset: The dataset.
        batch_size: Images per batch and process.
        training: Shuffle, and drop an incomplete last batch unless it is the only one.
        workers: Number of worker processes; 0 reads in this process. Results do not depend on it.
        on_error: See :func:`sod.data.dataset.collate`.
        replicas: World size, the number of processes that share the data.
        rank: Rank of this process.
        groups: Yield whole groups of images; in training, parts of at most ``batch_size``.
        together: Images of a window (:mod:`sod.data.windows`), where ``batch_size`` is 1. Workers
            read single images all the same.
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
        groups: bool = False,
        together: int = 1,
    ) -> None:
        if workers:
            dataset.kept = None  # each worker would keep views of its own
        self.dataset = dataset
        self.batch_size = batch_size
        self.sampler = _sampler(dataset, batch_size, training, groups, (replicas, rank))
        self._share = len(self.sampler)
        self._drop_last = training and not groups and self._share >= batch_size
        self._position = Position(epoch=0, batches=0)
        self._resume: Position | None = None
        self._together = 1 if groups or training else together
        of_images = {
            "batch_size": batch_size,
            "sampler": self.sampler,
            "drop_last": self._drop_last,
        }
        batching: dict[str, Any] = {"batch_sampler": self.sampler} if groups else of_images
        self._loader: DataLoader[Item] = DataLoader(
            dataset,
            **batching,
            num_workers=workers,
            collate_fn=_Collate(on_error, groups and not training),
            pin_memory=torch.cuda.is_available(),
            worker_init_fn=_start_worker,
            persistent_workers=training and workers > 0,
        )

    @property
    def batch_sampler(self) -> Sampler[list[int]] | Iterable[list[int]] | None:
        """The wrapped loader's batch sampler, which Lightning inspects to detect shuffling."""
        return self._loader.batch_sampler

    def __len__(self) -> int:
        """Return the number of batches of a whole epoch, even in a resumed epoch; at least 1."""
        if isinstance(self.sampler, GroupSampler | GroupEpochSampler):
            return max(self._share, 1)
        size = self.batch_size * self._together
        return max(batches(self._share, size, self._drop_last), 1)

    def __iter__(self) -> Iterator[AnyBatch]:
        """Yield the batches of the epoch that the sampler is set to when iteration starts."""
        if isinstance(self.sampler, EpochSampler | GroupEpochSampler):
            self._start_epoch(self.sampler)
        if not self._share:
            yield collate([])
        for batch in windows(self._loader, self._together):
            if isinstance(batch, SodError):
                # A new instance, as the reference cycle of this one would keep the workers alive.
                raise type(batch)(*batch.args)
            self._position["batches"] += 1
            yield batch

    def state_dict(self) -> Position:
        """Return the current position."""
        return Position(epoch=self._position["epoch"], batches=self._position["batches"])

    def load_state_dict(self, state: Position) -> None:
        """Resume at a position: the next pass over its epoch skips the batches before it."""
        self._resume = Position(epoch=state["epoch"], batches=state["batches"])

    def _start_epoch(self, sampler: EpochSampler | GroupEpochSampler) -> None:
        resume, self._resume = self._resume, None
        done = resume["batches"] if resume and resume["epoch"] == sampler.epoch else 0
        step = self.batch_size if isinstance(sampler, EpochSampler) else 1
        sampler.start_at(done * step)
        self._position = Position(epoch=sampler.epoch, batches=done)


class _Collate:
    """Collate function that returns a SodError, as raising it in a worker adds a traceback."""

    def __init__(self, on_error: OnError, groups: bool) -> None:
        self.on_error: OnError = on_error
        self.groups = groups

    def __call__(self, items: Sequence[Item]) -> AnyBatch | SodError:
        try:
            return (collate_group if self.groups else collate)(items, self.on_error)
        except SodError as error:
            return error


def _sampler(
    dataset: SaliencyDataset, batch_size: int, training: bool, groups: bool, place: tuple[int, int]
) -> EpochSampler | EvalSampler | GroupEpochSampler | GroupSampler:
    """Return the sampler of images or of groups; ``place`` is (world size, rank)."""
    if groups and training:
        return GroupEpochSampler(dataset.samples, batch_size, *place, seed=dataset.seed)
    if groups:
        return GroupSampler(dataset.samples, *place)
    if training:
        return EpochSampler(dataset, *place, seed=dataset.seed)
    return EvalSampler(dataset, *place)


def _start_worker(_worker: int) -> None:
    use_one_thread()
    outlive_signals()


def default_workers(processes: int = 1) -> int:
    """Return the default number of workers: the CPUs per process, at most 8.

    With a single CPU per process it is 0, as a worker would only compete with the main process.

    Args:
        processes: Number of training processes on this machine.
    """
    share = cpu_share(processes)
    return min(share, 8) if share > 1 else 0


def chosen_workers(configured: int | None, processes: int, memory: bool = False) -> int:
    """Return the number of workers of each loader in this process.

    Args:
        configured: The number that was asked for; None for the default.
        processes: World size, all on this machine unless the environment says otherwise.
        memory: Whether most images come from this process's memory, of which workers know nothing:
            the default is none then, but on a GPU, which should not wait for the first images.
    """
    if configured is not None:
        return configured
    if memory and not torch.cuda.is_available():
        return 0
    return default_workers(int(os.environ.get("LOCAL_WORLD_SIZE", processes)))
