"""The cache of features: equal results, fewer computations, bounds, files."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from sod.core.errors import SodError
from sod.data.features import FeaturesConfig
from sod.nn.backbones.base import Backbone, use_cache
from sod.nn.backbones.cache import FeatureCache
from sod.nn.backbones.descriptor import Descriptor
from sod.nn.backbones.standardised import StandardisedBackbone

MEMORY = FeaturesConfig("memory")


class Counting(Backbone):
    """The mean of each patch of four pixels, times a weight; it counts the images."""

    def __init__(self, weight: float = 1.0) -> None:
        super().__init__(4, 3, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
        self.weight = torch.nn.Parameter(torch.tensor(weight), requires_grad=False)
        self._images = 0

    def forward(self, images: Tensor) -> Tensor:
        self._images += len(images)
        return self.weight * torch.nn.functional.avg_pool2d(images, 4)


def images(count: int, seed: int = 0, size: int = 8) -> Tensor:
    return torch.rand(count, 3, size, size, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("cache", ["memory", "disk"])
def test_each_image_is_computed_once(cache: str, tmp_path: Path) -> None:
    config = FeaturesConfig(cache, str(tmp_path / "f"))  # type: ignore[arg-type]
    backbone, batch = Counting(), images(3)
    expected = backbone(batch)
    use_cache(backbone, config)
    backbone._images = 0
    with torch.inference_mode():
        assert torch.equal(backbone.features(batch[:2]), expected[:2])
    mixed = backbone.features(batch[[2, 0, 1]])
    assert torch.equal(mixed, expected[[2, 0, 1]])
    assert not mixed.is_inference()
    mixed += 1
    assert torch.equal(backbone.features(batch), expected), "what is kept does not change"
    assert backbone._images == 3
    assert backbone.features(images(1, 1, 16)).shape == (1, 3, 4, 4)


def test_other_weights_pixels_types_and_kinds_are_told_apart() -> None:
    batch = images(1)
    one, two = Counting(1.0), Counting(2.0)
    for backbone in (one, two):
        use_cache(backbone, MEMORY)
        assert torch.equal(backbone.features(batch), backbone(batch))
    assert one.cache is not two.cache
    same = Counting(1.0)
    use_cache(same, MEMORY)
    assert same.cache is one.cache
    changed = batch.clone()
    changed[0, 0, 0, 0] += 1e-6
    assert not torch.equal(one.features(changed), one.features(batch))
    assert one.features(batch.double()).dtype == torch.float64
    cache = FeatureCache(MEMORY, "x")
    assert cache.recall(batch, "a", lambda new: new + 1).equal(batch + 1)
    assert cache.recall(batch, "b", lambda new: new + 2).equal(batch + 2)
    wide = batch.view(1, 3, 4, 16)
    assert cache.recall(wide, "a", lambda new: new + 3).equal(wide + 3)
    descriptors = {Descriptor((0,)).identity(), Descriptor((1,)).identity(), one.identity()}
    assert len(descriptors) == 3


def test_a_trained_wrapper_is_not_kept_but_what_it_wraps() -> None:
    inner = Counting()
    wrapper = StandardisedBackbone(inner)
    use_cache(wrapper, MEMORY)
    assert wrapper.cache is None
    assert inner.cache is not None
    wrapper.train()
    for _ in range(2):
        wrapper.features(images(2))
    assert inner._images == 2
    use_cache(wrapper, FeaturesConfig())
    assert inner.cache is None


def test_what_is_beyond_the_limit_is_computed_and_half_takes_half(tmp_path: Path) -> None:
    one = 3 * 2 * 2 * 4  # bytes of the features of an image
    for half, kept in ((False, 2), (True, 4)):
        backbone = Counting()
        use_cache(backbone, FeaturesConfig("memory", limit=2.5 * one / 2**30, half=half))
        for _ in range(2):
            found = backbone.features(images(6))
        assert backbone._images == 6 + 6 - kept - (kept == 4)
        torch.testing.assert_close(found, backbone(images(6)), rtol=0, atol=5e-4 * half)
        assert found.dtype == torch.float32
    disk = FeaturesConfig("disk", str(tmp_path), limit=600 / 2**30)
    for already in (0, 3):
        backbone = Counting()
        FeatureCache(disk, backbone.identity()).recall(images(6), "k", backbone)
        assert backbone._images == 6 - already
    sizes = [file.stat().st_size for file in tmp_path.rglob("*.safetensors")]
    assert 3 <= len(sizes) <= 4
    assert sum(sizes) <= 600


def test_a_damaged_file_is_made_again(tmp_path: Path) -> None:
    config, backbone, batch = FeaturesConfig("disk", str(tmp_path)), Counting(), images(2)
    use_cache(backbone, config)
    expected = backbone.features(batch)
    for file in tmp_path.rglob("*.safetensors"):
        file.write_bytes(file.read_bytes()[:20])
    assert torch.equal(backbone.features(batch), expected)
    assert backbone._images == 4
    assert torch.equal(backbone.features(batch), expected)
    assert backbone._images == 4


def test_invalid_fields_are_named() -> None:
    for field, value in (("cache", "ram"), ("limit", 0.0), ("views", 0)):
        with pytest.raises(SodError, match=rf"data\.features\.{field}: '?{value}"):
            FeaturesConfig(**{field: value})  # type: ignore[arg-type]
