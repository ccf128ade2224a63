"""Windows of consecutive images of any sizes."""

from pathlib import Path

import pytest
import torch
from PIL import Image

from sod.core.errors import SodError
from sod.data.dataset import SaliencyDataset
from sod.data.loader import Loader
from sod.data.samples import Sample
from sod.data.transforms import EvalTransform
from sod.data.windows import images_together


@pytest.fixture
def samples(tmp_path: Path) -> list[Sample]:
    for number in range(7):
        size = (6, 4) if number % 2 else (5, 8)
        Image.new("RGB", size, (number, 0, 0)).save(tmp_path / f"{number}.png")
    return [Sample(str(number), tmp_path / f"{number}.png") for number in range(7)]


def loader(samples: list[Sample], **options: object) -> Loader:
    dataset = SaliencyDataset(samples, EvalTransform(), with_masks=False)
    return Loader(dataset, **{"on_error": "collect", "together": 3, **options})  # type: ignore[arg-type]


@pytest.mark.parametrize("workers", [0, 2])
def test_images_keep_order_and_size(samples: list[Sample], workers: int) -> None:
    loaded = loader(samples, workers=workers)
    windows = list(loaded)
    assert len(windows) == len(loaded) == 3
    names = [[sample.name for sample in window["samples"]] for window in windows]
    assert names == [["0", "1", "2"], ["3", "4", "5"], ["6"]]
    assert [tuple(image.shape) for image in windows[0]["images"]] == [
        (3, 8, 5),
        (3, 4, 6),
        (3, 8, 5),
    ]
    reds = [int(image[0, 0, 0] * 255 + 0.5) for window in windows for image in window["images"]]
    assert reds == list(range(7))


def test_a_window_of_one_is_a_batch(samples: list[Sample]) -> None:
    batches = list(loader(samples, together=1))
    assert len(batches) == 7
    assert all(isinstance(batch["images"], torch.Tensor) for batch in batches)


def test_a_bad_file_is_collected_in_its_window(samples: list[Sample]) -> None:
    samples[1].image.write_bytes(b"no image")
    first = next(iter(loader(samples)))
    assert [sample.name for sample in first["samples"]] == ["0", "2"]
    assert [samples[1].image.name in line for line in first["errors"]] == [True]
    with pytest.raises(SodError, match=samples[1].image.name):
        list(loader(samples, on_error="raise"))


def test_groups_and_training_have_no_windows(samples: list[Sample]) -> None:
    assert len(list(loader(samples, groups=True))) == 1
    assert len(loader(samples, training=True)) == 7


def test_processes_share_the_images(samples: list[Sample]) -> None:
    shares = [list(loader(samples, replicas=2, rank=rank)) for rank in (0, 1)]
    assert [[len(window["samples"]) for window in share] for share in shares] == [[3, 1], [3]]


def test_the_default_suits_the_device() -> None:
    assert images_together(None, None) == images_together(None, torch.device("cpu")) == 1
    assert images_together(None, torch.device("mps")) == 1
    assert images_together(None, torch.device("cuda", 0)) == 16
    assert images_together(4, torch.device("cuda", 0)) == images_together(4, None) == 4
