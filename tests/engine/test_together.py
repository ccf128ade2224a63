"""Images that are predicted together, and windows of them."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from sod.core.memory import NO_MEMORY
from sod.data.dataset import GroupBatch
from sod.data.samples import Sample
from sod.engine.method import Method
from sod.engine.together import (
    attempt_step,
    parts_of_one_size,
    predict_by_size,
    separate,
)

SIZES = ((6, 4), (3, 8), (6, 4), (4, 6), (6, 4))


class Recorder:
    """Predicts the mean colour, and keeps the shapes that it was given."""

    def __init__(self, most: int = 99) -> None:
        self.most, self.shapes = most, list[tuple[int, ...]]()

    def __call__(self, images: Tensor) -> Tensor:
        self.shapes.append(tuple(images.shape))
        if len(images) > self.most:
            raise MemoryError
        return images.mean(1, keepdim=True)


def pictures() -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [torch.rand(3, *size, generator=generator) for size in SIZES]


def batch(images: list[Tensor], errors: list[str] | None = None) -> GroupBatch:
    samples = [Sample(str(i), Path(f"{i}.png")) for i in range(len(images))]
    return GroupBatch(
        images=images, masks=[None] * len(images), samples=samples, errors=errors or []
    )


def test_images_of_one_size_are_predicted_together_in_order() -> None:
    predict, images = Recorder(), pictures()
    maps = predict_by_size(predict, images)
    assert predict.shapes == [(3, 3, 6, 4), (1, 3, 3, 8), (1, 3, 4, 6)]
    for image, found in zip(images, maps, strict=True):
        assert torch.equal(found, image.mean(0, keepdim=True))


def test_parts_have_a_bounded_number_of_pixels() -> None:
    sizes = [(2048, 1024)] * 3 + [(4096, 4096)] * 2
    assert parts_of_one_size(sizes) == [[0, 1], [2], [3], [4]]


def test_without_memory_for_several_each_is_predicted_alone() -> None:
    predict, images = Recorder(most=1), pictures()
    maps = predict_by_size(predict, images)
    assert predict.shapes[:4] == [(3, 3, 6, 4)] + [(1, 3, 6, 4)] * 3
    assert all(torch.equal(m, i.mean(0, keepdim=True)) for m, i in zip(maps, images, strict=True))
    with pytest.raises(MemoryError):
        predict_by_size(Recorder(most=0), images)


def test_only_the_image_that_does_not_fit_fails() -> None:
    images = pictures()

    def step(some: Any) -> list[str]:  # noqa: ANN401
        if any(image.shape == images[1].shape for image in some["images"]):
            raise MemoryError
        return [sample.name for sample in some["samples"]]

    assert attempt_step(step, batch(images), divisible=True) == [
        ["0"],
        NO_MEMORY,
        ["2"],
        ["3"],
        ["4"],
    ]
    assert attempt_step(step, batch(images), divisible=False) is NO_MEMORY
    assert attempt_step(step, batch(images[1:2]), divisible=True) is NO_MEMORY
    assert attempt_step(step, batch(images[2:]), divisible=True) == ["0", "1", "2"]


def test_each_image_gets_its_own_outputs_and_errors_come_first() -> None:
    images = pictures()[:2]
    maps = [torch.zeros(1, 6, 4), torch.ones(1, 3, 8)]
    outputs = {"saliency": maps, "seconds": 0.5}
    failed, first, second = separate(batch(images, ["no image"]), outputs)
    assert (failed[0]["errors"], failed[0]["samples"]) == (["no image"], [])
    assert [part[0]["samples"][0].name for part in (first, second)] == ["0", "1"]
    assert torch.equal(second[0]["images"][0], images[1])
    assert second[0]["errors"] == []
    assert second[1]["seconds"] == 0.5
    assert torch.equal(second[1]["saliency"][0], maps[1])
    several = [own for _, own in separate(batch(images), [NO_MEMORY, outputs])]
    assert several == [NO_MEMORY, outputs]
    assert [own for _, own in separate(batch(images), NO_MEMORY)] == [NO_MEMORY] * 2


def test_a_method_is_given_a_window_by_size() -> None:
    predict = Recorder()

    class Mean(Method):
        def saliency(self, images: Tensor) -> Tensor:
            return predict(images)

    found = Mean().test_step(batch(pictures()), 0)
    assert [tuple(map_.shape) for map_ in found["saliency"]] == [(1, *size) for size in SIZES]
    assert len(predict.shapes) == 3
