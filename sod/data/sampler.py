"""Samplers: the images of one process in an epoch, and their order."""

import math
from collections.abc import Iterator, Sized

from torch.utils.data import Dataset, DistributedSampler

from sod.core.errors import SodError


class EpochSampler(DistributedSampler[int]):
    """Sampler that shuffles in each epoch and yields ids ``epoch * length + index``.

    As an id contains the epoch, it determines both sample and augmentation, independently of the
    number of workers and of where a run was resumed. All processes get equally many ids; a few are
    repeated where the number of samples is not a multiple of the world size.

    Args:
        dataset: The dataset.
        replicas: World size.
        rank: Rank of this process.
        seed: Seed of the shuffle.
    """

    def __init__(self, dataset: "Dataset[object]", replicas: int, rank: int, seed: int) -> None:
        super().__init__(dataset, replicas, rank, shuffle=True, seed=seed)
        self._length = length_of(dataset)
        self._start = 0

    def start_at(self, position: int) -> None:
        """Skip the first ``position`` ids of this process, until the next call."""
        self._start = position

    def __iter__(self) -> Iterator[int]:
        """Yield this process's ids in the epoch set by ``set_epoch``."""
        return iter(
            [self.epoch * self._length + i for i in list(super().__iter__())[self._start :]]
        )


class EvalSampler(DistributedSampler[int]):
    """Unshuffled sampler that assigns each image to exactly one process.

    With fewer images than processes, some processes get none.

    Args:
        dataset: The dataset.
        replicas: World size.
        rank: Rank of this process.
    """

    def __init__(self, dataset: "Dataset[object]", replicas: int, rank: int) -> None:
        super().__init__(dataset, replicas, rank, shuffle=False)
        self._indices = range(rank, length_of(dataset), replicas)

    def __iter__(self) -> Iterator[int]:
        """Yield this process's indices in ascending order."""
        return iter(self._indices)

    def __len__(self) -> int:
        """Return their number."""
        return len(self._indices)


def length_of(dataset: "Dataset[object]") -> int:
    """Return the number of samples; a TypeError is raised for a dataset without length."""
    if not isinstance(dataset, Sized):
        raise TypeError(f"{type(dataset).__name__} has no length")
    return len(dataset)


def batches(samples: int, batch_size: int, drop_last: bool) -> int:
    """Return the number of batches in an epoch of one process."""
    return samples // batch_size if drop_last else math.ceil(samples / batch_size)


def share_of_step(batch_size: int, processes: int, accumulated: int) -> int:
    """Return the images per batch of one process, for so many images in an optimiser step.

    Args:
        batch_size: Images of one step.
        processes: World size.
        accumulated: Batches per optimiser step.

    Raises:
        SodError: They cannot be shared equally.
    """
    images, rest = divmod(batch_size, processes * accumulated)
    if rest:
        raise SodError(
            f"data.batch_size: {batch_size} images per optimiser step cannot be shared by "
            f"{processes} processes x {accumulated} accumulated batches: give a multiple of "
            f"{processes * accumulated}"
        )
    return images
