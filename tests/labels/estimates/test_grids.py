"""Features and pseudo-masks on square grids."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from sod.data.samples import Sample
from sod.labels.estimates import grids
from sod.labels.estimates.grids import fit_components, read_grids, read_pixels
from sod.labels.store import LabelStore
from sod.nn.backbones.base import Backbone


class Means(Backbone):
    """The mean colour of each patch of two pixels, and the number of images that were seen."""

    def __init__(self) -> None:
        super().__init__(2, 3, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
        self.seen = 0

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        assert images.shape == (1, 3, 40, 40)
        self.seen += 1
        return torch.nn.functional.avg_pool2d(images, 2)


def test_components_are_uncorrelated_and_of_equal_power() -> None:
    generator = torch.Generator().manual_seed(0)
    values = torch.randn(500, 3, generator=generator) * torch.tensor([100.0, 1.0, 0.01]) + 5
    values[:, 1] += values[:, 0] / 50  # the first two channels go together
    found = (values - (fitted := fit_components(values, 2)).mean) @ fitted.axes
    torch.testing.assert_close(found.T @ found / 500, torch.eye(2), atol=1e-3, rtol=0)
    together = (values[:, :2] - values[:, :2].mean(0)) / values[:, :2].std(0)
    first = np.corrcoef(found[:, 0], together.sum(1))[0, 1]
    assert abs(first) > 0.99
    features = values.T.reshape(3, 20, 25)
    torch.testing.assert_close(
        fitted.of(features).flatten(1).T.float(), found, atol=5e-3, rtol=5e-3
    )


def test_each_image_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grids, "FITTED", 2)
    store = LabelStore(tmp_path / "store", {"method": "test"})
    samples = [Sample(name, tmp_path / f"{name}.png") for name in "abc"]
    generator = np.random.default_rng(0)
    for number, sample in enumerate(samples):
        pixels = generator.integers(0, 256, (30, 60, 3)).astype(np.uint8)
        Image.fromarray(pixels).save(sample.image)
        saliency = torch.zeros(30, 60)
        saliency[:, 20 * number : 20 * number + 20] = 1
        store.write(sample, saliency)
    read: list[Path] = []

    def pixels_of(path: Path) -> torch.Tensor:
        read.append(path)
        return read_pixels(path)

    backbone = Means()
    found = read_grids(samples, store, backbone, pixels_of)
    assert sorted(read) == [sample.image for sample in samples]
    assert backbone.seen == 3
    assert (found.features.shape, found.features.dtype) == ((3, 3, 20, 20), torch.float16)
    assert (found.masks.shape, found.masks.dtype) == ((3, 80, 80), torch.uint8)
    # The first and second image (0 and 3 // 2) decide the components, alike for each image.
    chosen = found.features[:2].float().transpose(0, 1).flatten(1)
    torch.testing.assert_close(chosen.mean(1), torch.zeros(3), atol=1e-3, rtol=0)
    torch.testing.assert_close(chosen @ chosen.T / 800, torch.eye(3), atol=5e-3, rtol=0)
    middle = [int(mask[40].float().argmax()) for mask in found.masks]
    assert middle == pytest.approx([0, 27, 54], abs=2)  # thirds of 80 pixels
    shares = (found.masks > 127).float().mean((1, 2))
    torch.testing.assert_close(shares, torch.full((3,), 1 / 3), atol=0.02, rtol=0)
