"""Groups of images, such as the photos of one object: a sample's group is its folder."""

import math
from collections import Counter
from collections.abc import Iterator, Sequence

import torch
from torch.utils.data import Sampler

from sod.core.errors import SodError
from sod.core.shards import Shard
from sod.data.samples import Sample

LARGEST = 100
"""Images that are compared with each other at most; larger groups are divided."""


def indices_by_group(samples: Sequence[Sample]) -> dict[str, list[int]]:
    """Return the indices of the samples of each group, in the order of the samples.

    Args:
        samples: A set without folders is one group, called ``""``.
    """
    groups: dict[str, list[int]] = {}
    for index, sample in enumerate(samples):
        groups.setdefault(sample.group, []).append(index)
    return groups


def with_few_masks(samples: Sequence[Sample], most: int | None) -> list[Sample]:
    """Return the samples with the masks of the first images of each group that have one.

    Args:
        samples: The samples.
        most: Masks kept in a group; None: all.

    Raises:
        SodError: No mask is left.
    """
    kept: Counter[str] = Counter()
    result = []
    for sample in samples:
        keep = sample.mask is not None and (most is None or kept[sample.group] < most)
        kept[sample.group] += keep
        result.append(sample if keep else sample._replace(mask=None))
    if not any(kept.values()):
        raise SodError("data.supervised: no image of the groups has a mask that may be read.")
    return result


def whole_groups(samples: Sequence[Sample], chosen: Sequence[Sample]) -> list[Sample]:
    """Return all samples of the groups that the chosen ones belong to."""
    touched = {sample.group for sample in chosen}
    return [sample for sample in samples if sample.group in touched]


def divided(group: Sequence[int], most: int) -> list[list[int]]:
    """Divide a group into parts of nearly equal size, at most ``most``, each spread over it."""
    count = math.ceil(len(group) / most)
    return [list(group[part::count]) for part in range(count)]


class GroupSampler(Sampler[list[int]]):
    """Yields the ids of whole groups, each in exactly one process.

    A group of more than :data:`LARGEST` images is divided into parts of nearly equal size, since
    the images of a group are in memory together.

    Args:
        samples: The samples.
        replicas: World size.
        rank: Rank of this process.
    """

    def __init__(self, samples: Sequence[Sample], replicas: int = 1, rank: int = 0) -> None:
        groups = indices_by_group(samples).values()
        self._groups = [p for group in groups for p in divided(group, LARGEST)][rank::replicas]

    def __iter__(self) -> Iterator[list[int]]:
        """Yield this process's groups, as lists of indices."""
        return iter(self._groups)

    def __len__(self) -> int:
        """Return their number."""
        return len(self._groups)


class GroupEpochSampler(Sampler[list[int]]):
    """Yields shuffled parts of groups in each epoch, with ids ``epoch * length + index``.

    Each group is shuffled and divided into parts of nearly equal size, at most ``batch_size``. The
    order depends on (seed, epoch) only. All processes get equally many parts; a few are repeated
    where their number is not a multiple of the world size.

    Args:
        samples: The samples.
        batch_size: Largest number of images of a part.
        replicas: World size.
        rank: Rank of this process.
        seed: Seed of the shuffle.
    """

    def __init__(
        self, samples: Sequence[Sample], batch_size: int, replicas: int, rank: int, seed: int
    ) -> None:
        self._groups = list(indices_by_group(samples).values())
        self._length = len(samples)
        self._batch_size, self._seed = batch_size, seed
        self._replicas, self._rank = replicas, rank
        self.epoch = 0
        self._start = 0

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch of the next iteration."""
        self.epoch = epoch

    def start_at(self, part: int) -> None:
        """Skip the first parts of this process, until the next call."""
        self._start = part

    def __iter__(self) -> Iterator[list[int]]:
        """Yield this process's parts in the epoch set by :meth:`set_epoch`."""
        generator = torch.Generator().manual_seed(self._seed + self.epoch)
        parts = [part for group in self._groups for part in self._divided(group, generator)]
        order = torch.randperm(len(parts), generator=generator).tolist()
        padded = order + order[: -len(order) % self._replicas]
        for number in padded[self._rank :: self._replicas][self._start :]:
            yield [self.epoch * self._length + index for index in parts[number]]

    def __len__(self) -> int:
        """Return the number of parts of this process in a whole epoch."""
        parts = sum(math.ceil(len(group) / self._batch_size) for group in self._groups)
        return math.ceil(parts / self._replicas)

    def _divided(self, group: list[int], generator: torch.Generator) -> list[list[int]]:
        order = torch.randperm(len(group), generator=generator).tolist()
        return divided([group[i] for i in order], self._batch_size)


def share_of(samples: Sequence[Sample], shard: Shard, groups: bool) -> Sequence[Sample]:
    """Return the samples of one shard.

    Args:
        samples: All samples.
        shard: The part.
        groups: Keep groups whole, as methods need them that compare images.
    """
    if shard.is_whole:
        return samples
    if groups:
        return shard.of_groups(samples, [sample.group for sample in samples])
    return shard.of(samples)
