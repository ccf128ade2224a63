"""The quality network, and thumbnails."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from sod.data.samples import Sample
from sod.labels.store import LabelStore
from sod.methods.generations.images import ImageCache
from sod.methods.generations.quality import (
    Thumbnails,
    quality_scores,
    read_thumbnails,
    train_quality_network,
)
from sod.nn.decoders.quality import QualityConfig, QualityNetwork


def test_thumbnails_are_averaged_images_and_maps(tmp_path: Path) -> None:
    file = tmp_path / "a.png"
    pixels = np.zeros((16, 16, 3), np.uint8)
    pixels[:, 8:] = 200
    Image.fromarray(pixels).save(file)
    store = LabelStore(tmp_path / "store", {"method": "test"})
    store.write(Sample("a", file), torch.tensor(pixels[..., 0]).float() / 200)
    thumbnails = read_thumbnails([Sample("a", file)], {"m": store}, ImageCache(8))
    assert thumbnails.images.shape == (1, 3, 8, 8)
    assert thumbnails.images[0, 0, 0].tolist() == pytest.approx([0] * 3 + [25, 175] + [200] * 3)
    assert thumbnails.maps[0, 0, 0].tolist() == pytest.approx([0] * 3 + [32, 223] + [255] * 3)


def test_thumbnails_keep_the_order_of_the_samples(tmp_path: Path) -> None:
    store = LabelStore(tmp_path / "store", {"method": "test"})
    samples = [Sample(name, tmp_path / f"{name}.png") for name in ("b", "a")]
    for level, sample in zip((200, 100), samples, strict=True):
        Image.fromarray(np.full((8, 8, 3), level, np.uint8)).save(sample.image)
        store.write(sample, torch.full((8, 8), level / 255))
    thumbnails = read_thumbnails(samples, {"m": store}, ImageCache(8))
    assert thumbnails.images[:, 0, 0, 0].tolist() == [200, 100]
    assert thumbnails.maps[:, 0, 0, 0].tolist() == [200, 100]


@pytest.mark.usefixtures("one_thread")
def test_the_quality_network_learns_which_maps_are_good() -> None:
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (24, 3, 16, 16), generator=generator).byte()
    square = torch.zeros(24, 1, 16, 16, dtype=torch.uint8)
    square[..., 4:12, 4:12] = 255
    noise = 255 * torch.randint(0, 2, (24, 1, 16, 16), generator=generator).byte()
    thumbnails = Thumbnails(images, torch.cat([square, square, noise], dim=1))
    agreement = thumbnails.agreement()
    assert (agreement[:, 0] > agreement[:, 2]).all()
    network = train_quality_network(
        thumbnails, QualityConfig(8, 16, 60, 16, 0.003), 0, torch.device("cpu")
    )
    scores = quality_scores(network, thumbnails)
    torch.testing.assert_close(scores.mean(0), agreement.mean(0), atol=0.1, rtol=0)
    assert (scores[:, 0] > scores[:, 2]).all()
    again = train_quality_network(
        thumbnails, QualityConfig(8, 16, 60, 16, 0.003), 0, torch.device("cpu")
    )
    assert torch.equal(scores, quality_scores(again, thumbnails))


@pytest.mark.usefixtures("one_thread")
def test_images_and_maps_are_mirrored_together(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (1, 3, 8, 8), generator=generator).byte()
    maps = torch.randint(0, 256, (1, 2, 8, 8), generator=generator).byte()
    given: list[tuple[torch.Tensor, torch.Tensor]] = []
    forward = QualityNetwork.forward

    def recording(self: QualityNetwork, images: torch.Tensor, maps: torch.Tensor) -> torch.Tensor:
        given.append((images, maps))
        return forward(self, images, maps)

    monkeypatch.setattr(QualityNetwork, "forward", recording)
    config = QualityConfig(4, 8, steps=20, batch_size=1)
    train_quality_network(Thumbnails(images, maps), config, 0, torch.device("cpu"))
    mirrored = []
    for image, map_ in given:
        flipped = torch.equal(image, images.flip(-1) / 255)
        assert flipped or torch.equal(image, images / 255)
        wanted = maps.flip(-1) if flipped else maps
        assert any(torch.equal(map_[0, 0], member / 255) for member in wanted[0])
        mirrored.append(flipped)
    assert 5 <= sum(mirrored) <= 15
