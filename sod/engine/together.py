"""Images that are predicted together, and the results of each by itself."""

import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, TypedDict, TypeVar

import torch
from torch import Tensor

from sod.core.memory import NO_MEMORY, NoMemory, attempt
from sod.data.dataset import AnyBatch, GroupBatch
from sod.engine.later import Later

T = TypeVar("T")

PIXELS = 2**22
"""Pixels of the images that are predicted at once; a larger image is predicted alone."""


class Prediction(TypedDict):
    """Saliency of one batch.

    Attributes:
        saliency: ``[B, 1, H, W]`` in [0, 1], at the size of the batch's images; of a group, one
            ``[1, H, W]`` per image.
        seconds: Wall-clock time per image, including the device's queue.
    """

    saliency: Tensor | list[Tensor]
    seconds: float


def timed(maps: Callable[[Any], Tensor | list[Tensor]], batch: AnyBatch) -> Prediction:
    """Predict a batch and measure the time per image; a batch of no images gives no maps.

    Args:
        maps: Returns the saliency of the images of a batch.
        batch: The batch.
    """
    if not len(batch["images"]):
        return {"saliency": [], "seconds": 0.0}
    start = time.perf_counter()
    saliency = maps(batch["images"])
    if saliency[0].is_cuda:
        torch.cuda.synchronize(saliency[0].device)
    return {"saliency": saliency, "seconds": (time.perf_counter() - start) / len(saliency)}


def predict_by_size(predict: Callable[[Tensor], Tensor], images: Sequence[Tensor]) -> list[Tensor]:
    """Return the map of each image; images of one size are predicted together.

    Where memory does not suffice for several images, they are predicted one by one.

    Args:
        predict: Maps images ``[B, 3, H, W]`` to saliency ``[B, 1, H, W]``.
        images: Each ``[3, H, W]``, of any size.

    Returns:
        Per image ``[1, H, W]``, in the order of the images.
    """
    maps: dict[int, Tensor] = {}
    for part in parts_of_one_size([(image.shape[-2], image.shape[-1]) for image in images]):
        found = _at_once(predict, [images[index] for index in part])
        maps.update(zip(part, found, strict=True))
    return [maps[index] for index in range(len(images))]


def parts_of_one_size(sizes: Sequence[tuple[int, int]]) -> list[list[int]]:
    """Divide the indices of images into parts of one size, at most :data:`PIXELS` each.

    Args:
        sizes: Height and width of each image.
    """
    by_size: dict[tuple[int, int], list[int]] = {}
    for index, size in enumerate(sizes):
        by_size.setdefault(size, []).append(index)
    parts = []
    for (height, width), indices in by_size.items():
        most = max(PIXELS // max(height * width, 1), 1)
        parts += [indices[first : first + most] for first in range(0, len(indices), most)]
    return parts


def _at_once(predict: Callable[[Tensor], Tensor], images: Sequence[Tensor]) -> Sequence[Tensor]:
    """Return the maps of images of one size."""
    if len(images) > 1:
        found = attempt(lambda: predict(torch.stack(list(images))))
        if not isinstance(found, NoMemory):
            return list(found)
    return [predict(image[None])[0] for image in images]


def attempt_step(
    step: Callable[[AnyBatch], T], batch: AnyBatch, divisible: bool
) -> T | NoMemory | list[T | NoMemory]:
    """Return the result of a step, or of each image by itself where memory does not suffice.

    Args:
        step: Predicts a batch.
        batch: One image or several.
        divisible: Whether the result of an image is the same without the others.
    """
    done = attempt(lambda: step(batch))
    if not isinstance(done, NoMemory) or not divisible or len(batch["samples"]) < 2:
        return done
    return [attempt(partial(step, single)) for single in singles(batch)]


def singles(batch: AnyBatch) -> Iterator[GroupBatch]:
    """Yield each image of a batch as a batch of one, without the errors of the batch."""
    for image, mask, sample in zip(batch["images"], batch["masks"], batch["samples"], strict=True):
        yield GroupBatch(images=[image], masks=[mask], samples=[sample], errors=[])


def separate(batch: AnyBatch, outputs: Any) -> Iterator[tuple[GroupBatch, Any]]:  # noqa: ANN401
    """Yield each image of a batch with what was predicted for it.

    Args:
        batch: The batch.
        outputs: What was returned for it: a mapping, whose lists and tensors have one entry per
            image; ``NO_MEMORY``; a prediction for later; or a list of these, one per image.

    Yields:
        Batches of one image, and first one of none where files could not be read.
    """
    if batch["errors"]:
        yield GroupBatch(images=[], masks=[], samples=[], errors=list(batch["errors"])), outputs
    for index, single in enumerate(singles(batch)):
        if isinstance(outputs, list):
            yield single, outputs[index]
        elif outputs is NO_MEMORY or outputs is None or isinstance(outputs, Later):
            yield single, outputs
        else:
            entries = outputs.items()
            own = {k: v[index : index + 1] if _is_per_image(v) else v for k, v in entries}
            yield single, own


def _is_per_image(value: object) -> bool:
    return isinstance(value, Tensor | list)
