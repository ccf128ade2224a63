"""Images are read once, as long as they fit into the limit."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from sod.data.dataset import Batch
from sod.data.samples import Sample
from sod.methods.centre_box import CentreBox
from sod.methods.generations import images
from sod.methods.generations.images import ImageCache


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    rng = np.random.default_rng(0)
    found = []
    for name in "ab":
        file = tmp_path / f"{name}.png"
        Image.fromarray(rng.integers(0, 256, (10, 12, 3), np.uint8)).save(file)
        found.append(file)
    return found


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The files that were read."""
    seen: list[Path] = []
    original = images.read_image

    def counting(path: Path) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
        seen.append(path)
        return original(path)

    monkeypatch.setattr(images, "read_image", counting)
    return seen


def test_the_images_of_a_batch_are_not_read_again(files: list[Path], read: list[Path]) -> None:
    cache, plain = ImageCache(8), ImageCache(8)
    levels = torch.stack([plain.pixels(file) for file in files])
    read.clear()
    samples = [Sample(file.stem, file) for file in files]
    batch = Batch(images=levels.float() / 255, masks=[None] * 2, samples=samples, errors=[])
    cache.process(batch, {}, CentreBox())
    for file in files:
        assert torch.equal(cache.pixels(file), plain.pixels(file))
        assert torch.equal(cache.thumbnail(file), plain.thumbnail(file))
    assert read == []


def test_beyond_the_limit_images_are_read_again_but_no_thumbnails(
    files: list[Path], read: list[Path]
) -> None:
    cache = ImageCache(8, limit=10 * 12 * 3)
    for file in (*files, *files):
        cache.pixels(file)
        cache.thumbnail(file)
    assert read == [files[0], files[1], files[1]]
