"""Windows: consecutive images of any sizes that are predicted in one step."""

from collections.abc import Iterable, Iterator, Sequence

import torch

from sod.core.errors import SodError
from sod.data.dataset import AnyBatch, GroupBatch

ON_GPU = 16
"""Images of a window on a GPU, unless another number is asked for."""


def images_together(wanted: int | None, device: torch.device | None) -> int:
    """Return the number of images of a window.

    Args:
        wanted: The number that was asked for; None: 16 on a GPU of NVIDIA or AMD, else 1, as
            batches gain nothing on a CPU (``benchmarks/results/speed.md``).
        device: Where predictions are made; None: on the CPU.
    """
    if wanted is not None:
        return wanted
    return ON_GPU if device is not None and device.type == "cuda" else 1


def windows(batches: Iterable[AnyBatch | SodError], images: int) -> Iterator[AnyBatch | SodError]:
    """Join consecutive batches of single images; the order of the images stays.

    Args:
        batches: Batches of one image, or of none where a file cannot be read.
        images: Batches of a window; the last window may have fewer. With 1 they stay as they are.

    Yields:
        Windows. An error is yielded as soon as it is met, and no window after it.
    """
    if images == 1:
        yield from batches
        return
    waiting: list[AnyBatch] = []
    for batch in batches:
        if isinstance(batch, SodError):
            yield batch
            return
        waiting.append(batch)
        if len(waiting) == images:
            yield joined(waiting)
            waiting = []
    if waiting:
        yield joined(waiting)


def joined(batches: Sequence[AnyBatch]) -> GroupBatch:
    """Return the images of several batches as one, each in its own size."""
    return GroupBatch(
        images=[image for batch in batches for image in batch["images"]],
        masks=[mask for batch in batches for mask in batch["masks"]],
        samples=[sample for batch in batches for sample in batch["samples"]],
        errors=[line for batch in batches for line in batch["errors"]],
    )
