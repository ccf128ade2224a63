"""Samples as tensors, and batches of them."""

from collections.abc import Sequence
from typing import Literal, NamedTuple, Protocol, TypedDict

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import Dataset

from sod.core.errors import ImageError, SodError
from sod.data.reading import read_image, read_mask
from sod.data.samples import Sample
from sod.data.transforms import resize_mask

Array = npt.NDArray[np.uint8]
OnError = Literal["raise", "collect"]


class Transform(Protocol):
    """What a dataset does to an image and its mask, as in :mod:`sod.data.transforms`."""

    def __call__(
        self, image: Array, mask: Array | None, seed: tuple[int, int, int]
    ) -> tuple[Array, Array | None]:
        """Return the transformed image and mask."""


class Item(NamedTuple):
    """One sample as tensors.

    Args:
        sample: where it came from.
        image: float32 RGB ``[3, H, W]`` in [0, 1], not normalised; ``[3, 0, 0]`` after an error.
        mask: uint8 ``[h, w]``, 0..255, or None.
        error: one line naming the file that could not be read, or None.
    """

    sample: Sample
    image: Tensor
    mask: Tensor | None = None
    error: str | None = None


class Batch(TypedDict):
    """Images of one size with what belongs to them, in the same order.

    ``images``: float32 RGB ``[B, 3, H, W]`` in [0, 1], not normalised. ``masks``: per image uint8
    ``[h, w]``, 0..255, or None (always None where labels are not used). ``samples``: per image.
    ``errors``: one line for each file left out because it could not be read; empty in training.
    """

    images: Tensor
    masks: list[Tensor | None]
    samples: list[Sample]
    errors: list[str]


class SaliencyDataset(Dataset[Item]):
    """Samples read and transformed on demand.

    An index may carry its epoch, as ``epoch * len(self) + index`` (see
    :class:`sod.data.sampler.EpochSampler`); (seed, epoch, index) alone decides an augmentation.

    Args:
        samples: what to read.
        transform: what to do to each image and mask.
        with_masks: also read the masks. If False no mask is ever opened.
        seed: seed of the augmentation.

    Raises:
        SodError: masks are wanted and a sample has none.
    """

    def __init__(
        self, samples: Sequence[Sample], transform: Transform, with_masks: bool, seed: int = 0
    ) -> None:
        self.samples = list(samples)
        self.transform = transform
        self.with_masks = with_masks
        self.seed = seed
        bare = [sample for sample in self.samples if with_masks and sample.mask is None]
        if bare:
            more = f" (and {len(bare) - 1} more)" if len(bare) > 1 else ""
            raise SodError(f"{bare[0].image}: has no mask{more}; add it or take the image away")

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, key: int) -> Item:
        """Read one sample; a file that cannot be read is told in ``error`` and raises nothing."""
        epoch, index = divmod(key, len(self.samples))
        sample = self.samples[index]
        try:
            image = read_image(sample.image)
            mask = _mask_of(sample, image) if self.with_masks else None
        except ImageError as error:
            return Item(sample, torch.zeros(3, 0, 0), None, str(error))
        image, mask = self.transform(image, mask, (self.seed, epoch, index))
        return Item(sample, _as_tensor(image), None if mask is None else torch.from_numpy(mask))


def collate(items: Sequence[Item], on_error: OnError = "raise") -> Batch:
    """Join items to a batch.

    Args:
        items: images of one size.
        on_error: what becomes of unreadable files: ``raise``, or ``collect`` them under ``errors``
            (a batch may then be empty: images ``[0, 3, 0, 0]``).

    Raises:
        ImageError: a file could not be read and ``on_error`` is ``raise``; the message names it.
        SodError: the images differ in size.
    """
    errors = [item.error for item in items if item.error is not None]
    if errors and on_error == "raise":
        raise ImageError(errors[0])
    good = [item for item in items if item.error is None]
    for item in good:
        if item.image.shape != good[0].image.shape:
            raise SodError(
                f"{good[0].sample.image} and {item.sample.image} differ in size and cannot share a "
                "batch: set data.eval_batch_size to 1"
            )
    return Batch(
        images=torch.stack([item.image for item in good]) if good else torch.zeros(0, 3, 0, 0),
        masks=[item.mask for item in good],
        samples=[item.sample for item in good],
        errors=errors,
    )


def _mask_of(sample: Sample, image: Array) -> Array | None:
    if sample.mask is None:
        return None
    mask = read_mask(sample.mask)
    height, width = image.shape[:2]
    if mask.shape == (height, width):
        return mask
    if sample.fit_mask:
        return resize_mask(mask, height, width)
    raise ImageError(
        f"{sample.mask}: is {mask.shape[1]}x{mask.shape[0]}, but its image {sample.image} is "
        f"{width}x{height}; `sod data check` lists every such pair"
    )


def _as_tensor(image: Array) -> Tensor:
    planes = np.ascontiguousarray(image.transpose(2, 0, 1))
    return torch.from_numpy(planes).to(torch.float32).div_(255)
