"""Which images of an epoch a process sees, in which order, from which batch on."""

import math
from collections.abc import Iterator, Sized

from pytorch_lightning.overrides.distributed import UnrepeatedDistributedSampler
from torch.utils.data import Dataset, DistributedSampler

from sod.core.errors import SodError


class EpochSampler(DistributedSampler[int]):
    """Shuffle anew each epoch and tell the workers the epoch: yields ``epoch * length + index``.

    An id therefore fixes sample and augmentation, whatever the number of workers and wherever a run
    was resumed. Each process gets the same number of ids, a few repeated if need be.

    Args:
        dataset: what is sampled.
        replicas: number of processes.
        rank: this process.
        seed: seed of the shuffle.
    """

    def __init__(self, dataset: "Dataset[object]", replicas: int, rank: int, seed: int) -> None:
        super().__init__(dataset, replicas, rank, shuffle=True, seed=seed)
        self._length = length_of(dataset)
        self._start = 0

    def start_at(self, position: int) -> None:
        """Leave out the first ``position`` ids of this process, until told otherwise."""
        self._start = position

    def __iter__(self) -> Iterator[int]:
        """Yield this process's ids of the epoch set by ``set_epoch``."""
        return iter(
            [self.epoch * self._length + i for i in list(super().__iter__())[self._start :]]
        )


def eval_sampler(dataset: "Dataset[object]", replicas: int, rank: int) -> DistributedSampler[int]:
    """Return a sampler in order that gives each image to exactly one process, none twice.

    Raises:
        SodError: there are fewer images than processes.
    """
    if length_of(dataset) < replicas:
        raise SodError(
            f"{length_of(dataset)} images cannot be shared by {replicas} processes: "
            "use fewer devices (trainer.devices)"
        )
    return UnrepeatedDistributedSampler(dataset, num_replicas=replicas, rank=rank, shuffle=False)


def length_of(dataset: "Dataset[object]") -> int:
    """Return the number of samples of a dataset that has one."""
    if not isinstance(dataset, Sized):
        raise TypeError(f"{type(dataset).__name__} has no length")
    return len(dataset)


def batches(samples: int, batch_size: int, drop_last: bool) -> int:
    """Return the number of batches of one process's samples."""
    return samples // batch_size if drop_last else math.ceil(samples / batch_size)
