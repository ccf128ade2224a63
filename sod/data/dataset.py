"""Dataset that reads samples as tensors, and their collation to batches."""

from collections.abc import Sequence
from functools import partial
from itertools import chain
from typing import Literal, NamedTuple, Protocol, TypedDict

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import Dataset
from typing_extensions import NotRequired

from sod.core.errors import ImageError, SodError
from sod.data.image_files import Size
from sod.data.labelled import Scenes, mask_of
from sod.data.reading import read_image, to_tensor
from sod.data.sample_list import sample_list
from sod.data.samples import Sample
from sod.data.views import KeptViews, View, Views

Array = npt.NDArray[np.uint8]
OnError = Literal["raise", "collect"]


class Transform(Protocol):
    """A joint transform of an image and its mask, as in :mod:`sod.data.transforms`."""

    def __call__(
        self, image: Array, mask: Array | None, seed: tuple[int, int, int]
    ) -> tuple[Array, Array | None]:
        """Return the transformed image and mask."""


class Regions(Protocol):
    """Draws a region of an image that depends on its arguments only."""

    def __call__(self, name: str, epoch: int, size: tuple[int, int]) -> Tensor:
        """Return the region, bool ``[1, h, w]``, of the image of a sample's name.

        Raises:
            ImageError: A file cannot be read; the message names it.
        """


class Item(NamedTuple):
    """One sample as tensors.

    Args:
        sample: The sample's name and files.
        image: Float32 RGB ``[3, H, W]`` in [0, 1], not normalised; ``[3, 0, 0]`` after an error.
        mask: Uint8 ``[h, w]``, 0..255, or None.
        error: One line that names the unreadable file, or None.
        region: Bool ``[1, h, w]``, the region of the dataset's ``regions``, or None.
        skipped: One line that names the unreadable file in whose place the sample stands, or None.
    """

    sample: Sample
    image: Tensor
    mask: Tensor | None = None
    error: str | None = None
    region: Tensor | None = None
    skipped: str | None = None


class Batch(TypedDict):
    """Images of one size with their masks and samples, in the same order.

    Attributes:
        images: Float32 RGB ``[B, 3, H, W]`` in [0, 1], not normalised.
        masks: Per image, uint8 ``[h, w]``, 0..255, or None (always None where masks are not used).
        samples: Per image, its name and files.
        errors: One line for each unreadable file that was left out, or in training replaced.
        regions: Bool ``[B, 1, h, w]``, where the dataset draws regions.
    """

    images: Tensor
    masks: list[Tensor | None]
    samples: list[Sample]
    errors: list[str]
    regions: NotRequired[Tensor]


class GroupBatch(TypedDict):
    """The images of a group or a window, each in its own size, with their masks and samples.

    Attributes:
        images: Per image, float32 RGB ``[3, H, W]`` in [0, 1], not normalised.
        masks: As in :class:`Batch`.
        samples: As in :class:`Batch`.
        errors: As in :class:`Batch`.
    """

    images: list[Tensor]
    masks: list[Tensor | None]
    samples: list[Sample]
    errors: list[str]


AnyBatch = Batch | GroupBatch


class SaliencyDataset(Dataset[Item]):
    """Dataset whose samples are read and transformed when they are indexed.

    An index may include the epoch, as ``epoch * len(self) + index`` (see
    :class:`sod.data.sampler.EpochSampler`). The augmentation depends on (seed, epoch, index) only.

    Args:
        samples: The samples.
        transform: Transform of each image and its mask.
        with_masks: Also read the masks. If False, no mask is ever opened.
        seed: Seed of the augmentation.
        regions: Draws a region of each transformed image, in the process that reads it; or None.
        views: Number of views of each image, which its name and a seed decide; epochs use them in
            turn. None: each epoch has its own.
        partial: With ``with_masks``, allow samples without a mask.
        substitute: Return the next readable sample in the place of an unreadable one, so that
            batches keep their size, and each epoch is the same for any number of workers.
        enough: The size at which images are used, of which the transform needs no more; without
            masks only, as masks have the size of the file.
        scenes: With ``with_masks``, composes each image with others; or None.
        kept: Keeps the ``views``, where no ``scenes`` compose them, for this process; or None.

    Raises:
        SodError: ``with_masks`` is set, ``partial`` is not, and a sample has no mask.
    """

    def __init__(
        self,
        samples: Sequence[Sample],
        transform: Transform,
        with_masks: bool,
        seed: int = 0,
        regions: Regions | None = None,
        substitute: bool = False,
        partial: bool = False,
        views: Views | None = None,
        enough: Size | None = None,
        scenes: Scenes | None = None,
        kept: KeptViews | None = None,
    ) -> None:
        self.kept = None if views is None or scenes is not None else kept
        self.scenes = scenes
        self.substitute = substitute
        self.samples = samples
        self.transform = transform
        self.with_masks = with_masks
        self.seed = seed
        self.regions = regions
        self.views = views
        self.enough = None if with_masks else enough
        needed = with_masks and not partial
        unlabelled = sample_list(samples).without_mask() if needed else []
        if unlabelled:
            more = f" (and {len(unlabelled) - 1} more)" if len(unlabelled) > 1 else ""
            raise SodError(f"{unlabelled[0].image}: has no mask{more}; add it or remove the image")

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, key: int) -> Item:
        """Return one sample; an unreadable file is reported in ``error`` and not raised."""
        epoch, index = divmod(key, len(self.samples))
        seed = (self.seed, epoch, index)
        item = self._read(self.samples[index], seed)
        if item.error is None or not self.substitute:
            return item
        following = chain(range(index + 1, len(self.samples)), range(index))
        others = (self._read(self.samples[row], seed) for row in following)
        found = next((other for other in others if other.error is None), item)
        return found._replace(skipped=item.error)

    def _read(self, sample: Sample, seed: tuple[int, int, int]) -> Item:
        """Read and transform one sample."""
        if self.views is not None:
            seed = self.views.of(sample.name, seed[1])
        try:
            view = self._view(sample, seed)
            size = (view.image.shape[0], view.image.shape[1])
            region = self.regions(sample.name, seed[1], size) if self.regions else None
        except ImageError as error:
            return Item(sample, torch.zeros(3, 0, 0), None, str(error))
        # Kept arrays stay as they are, whatever is done with a batch.
        mask = None if view.mask is None else torch.tensor(view.mask)
        return Item(view.sample, to_tensor(view.image), mask, region=region)

    def _view(self, sample: Sample, seed: tuple[int, int, int]) -> View:
        """Return a transformed sample, kept or new."""
        if self.kept is None:
            return self._new_view(sample, seed)
        read = partial(self._new_view, sample, seed)
        return self.kept.recall(sample, self.with_masks, seed, read)

    def _new_view(self, sample: Sample, seed: tuple[int, int, int]) -> View:
        shown, image, mask = self._scene(sample, seed)
        return View(shown, *self.transform(image, mask, seed))

    def _scene(
        self, sample: Sample, seed: tuple[int, int, int]
    ) -> tuple[Sample, Array, Array | None]:
        """Return what a sample shows, before the transform."""
        if self.scenes is not None:
            return self.scenes(sample, seed)
        image = read_image(sample.image, self.enough)
        return sample, image, mask_of(sample, image) if self.with_masks else None


def collate(items: Sequence[Item], on_error: OnError = "raise") -> Batch:
    """Collate items to a batch.

    Args:
        items: Items whose images have the same size.
        on_error: How to treat unreadable files: ``raise`` an error, or ``collect`` the messages
            under ``errors`` (a batch may then be empty: images ``[0, 3, 0, 0]``).

    Raises:
        ImageError: A file cannot be read and ``on_error`` is ``raise``; the message names it.
        SodError: The images differ in size.
    """
    valid, errors = _readable(items, on_error)
    for item in valid:
        if item.image.shape != valid[0].image.shape:
            raise SodError(
                f"{valid[0].sample.image} and {item.sample.image} differ in size and cannot share "
                "a batch"
            )
    batch = Batch(
        images=torch.stack([item.image for item in valid]) if valid else torch.zeros(0, 3, 0, 0),
        masks=[item.mask for item in valid],
        samples=[item.sample for item in valid],
        errors=errors,
    )
    regions = [item.region for item in valid if item.region is not None]
    if regions:
        batch["regions"] = torch.stack(regions)
    return batch


def collate_group(items: Sequence[Item], on_error: OnError = "raise") -> GroupBatch:
    """Collate the items of a group, whose images may differ in size.

    Args:
        items: Items of one group.
        on_error: As for :func:`collate`.

    Raises:
        ImageError: As :func:`collate`.
    """
    valid, errors = _readable(items, on_error)
    return GroupBatch(
        images=[item.image for item in valid],
        masks=[item.mask for item in valid],
        samples=[item.sample for item in valid],
        errors=errors,
    )


def _readable(items: Sequence[Item], on_error: OnError) -> tuple[list[Item], list[str]]:
    """Return the items that could be read, and the messages of the others."""
    errors = [item.error for item in items if item.error is not None]
    if errors and on_error == "raise":
        raise ImageError(errors[0])
    errors += [item.skipped for item in items if item.skipped is not None and item.error is None]
    return [item for item in items if item.error is None], errors
