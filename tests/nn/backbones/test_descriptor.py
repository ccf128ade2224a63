import math

import pytest
import torch
from torch import Tensor

from sod.core.errors import SodError
from sod.nn.backbones.build import BackboneConfig, build_backbone, build_with_every_tap
from sod.nn.backbones.descriptor import border_contrast, cielab, orientations
from sod.refinement import mask_iou
from sod.spectral import normalized_cut


def waves(angle: float, size: int = 128) -> Tensor:
    rows, columns = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    return 0.5 + 0.3 * torch.sin(columns * math.cos(angle) + rows * math.sin(angle))


@pytest.mark.parametrize(
    ("rgb", "lab"),
    [
        ((1, 1, 1), (100, 0, 0)),
        ((0, 0, 0), (0, 0, 0)),
        ((1, 0, 0), (53.24, 80.09, 67.20)),
        ((0, 1, 0), (87.73, -86.18, 83.18)),
        ((0, 0, 1), (32.30, 79.19, -107.86)),
        ((0.01, 0.01, 0.01), (0.70, 0, 0)),
    ],
)
def test_colours_are_those_of_cielab(rgb: tuple[float, ...], lab: tuple[float, ...]) -> None:
    result = 100 * cielab(torch.tensor(rgb).view(1, 3, 1, 1).float()).flatten()
    torch.testing.assert_close(result, torch.tensor(lab).float(), atol=0.05, rtol=0)


@pytest.mark.parametrize("number", range(8))
def test_orientations_fall_into_their_bins(number: int) -> None:
    angle = number * math.pi / 8
    rows, columns = torch.meshgrid(torch.arange(9.0), torch.arange(9.0), indexing="ij")
    ramp = columns * math.cos(angle) + rows * math.sin(angle)
    for sign in (1, -1):
        bins = orientations(sign * ramp[None, None])[0, :, 4, 4]
        expected = torch.zeros(8)
        expected[number] = 2.0  # the central difference of a ramp of slope 1
        torch.testing.assert_close(bins, expected, atol=1e-4, rtol=0)


def test_orientations_between_bins_are_shared() -> None:
    angle = math.pi / 16
    rows, columns = torch.meshgrid(torch.arange(5.0), torch.arange(5.0), indexing="ij")
    ramp = columns * math.cos(angle) + rows * math.sin(angle)
    bins = orientations(ramp[None, None])[0, :, 2, 2]
    torch.testing.assert_close(bins[:3], torch.tensor([1.0, 1.0, 0.0]), atol=1e-4, rtol=0)


def test_channels_are_standardised_per_image() -> None:
    backbone = build_backbone(BackboneConfig("descriptor"))
    images = torch.rand(2, 3, 64, 48, generator=torch.Generator().manual_seed(0))
    images[1] *= 0.5
    features = backbone(images)
    assert features.shape == (2, backbone.channels, 8, 6)
    unweighted = features / torch.tensor(([1.0] * 6 + [0.6] * 8) * 2).view(1, -1, 1, 1)
    torch.testing.assert_close(unweighted.mean(dim=(2, 3)), torch.zeros(2, 28), atol=1e-5, rtol=0)
    deviation = unweighted.std(dim=(2, 3), correction=0)
    torch.testing.assert_close(deviation, torch.ones(2, 28), atol=1e-4, rtol=0)
    torch.testing.assert_close(backbone(images[1:]), features[1:])


def test_contrast_is_the_distance_to_the_border() -> None:
    image = torch.full((1, 3, 64, 64), 0.2)
    image[:, 0, 24:40, 24:40] = 0.8
    backbone = build_backbone(BackboneConfig("descriptor", extra_features=["contrast"]))
    features = backbone(image)
    plain = build_backbone(BackboneConfig("descriptor"))(image)
    assert backbone.widths == [28, 28]
    assert torch.equal(features[:, :28], plain)
    border = torch.cat([plain[0, :, 0], plain[0, :, -1], plain[0, :, :, 0], plain[0, :, :, -1]], 1)
    expected = (plain[0] - border.mean(1)[:, None, None]).abs()
    torch.testing.assert_close(features[0, 28:], expected)
    assert features[0, 29, 3, 3] > 2  # red against grey
    assert features[0, 29, 0, 0] < 1e-4


def test_flat_images_have_no_features() -> None:
    backbone = build_backbone(BackboneConfig("descriptor"))
    grey = torch.tensor([0.3, 0.5, 0.7]).view(1, 3, 1, 1).expand(1, 3, 40, 64)
    features = backbone(grey)
    assert not features.any()
    assert normalized_cut(features[0]).seed is None


@pytest.mark.parametrize("tau", [0.2, 0.3, 0.4])
@pytest.mark.parametrize("cue", ["colour", "texture"])
def test_an_object_of_another_colour_or_texture_is_cut_out(cue: str, tau: float) -> None:
    generator = torch.Generator().manual_seed(0)
    image = waves(0.0).repeat(3, 1, 1)
    inside = torch.zeros(128, 128, dtype=torch.bool)
    inside[32:80, 48:104] = True
    other = waves(math.pi / 2).repeat(3, 1, 1) if cue == "texture" else image.clone()
    if cue == "colour":
        other[2] -= 0.3
    image = torch.where(inside, other, image)
    image = (image + 0.02 * torch.randn(3, 128, 128, generator=generator)).clamp(0, 1)
    features = build_backbone(BackboneConfig("descriptor"))(image[None])
    component = normalized_cut(features[0], tau).component
    mask = component.repeat_interleave(8, 0).repeat_interleave(8, 1)
    assert mask_iou(mask, inside) > 0.65


def test_its_blocks_are_the_patch_and_its_surroundings() -> None:
    image = torch.rand(1, 3, 64, 48, generator=torch.Generator().manual_seed(0))
    whole = build_backbone(BackboneConfig("descriptor"))(image)
    patch = build_backbone(BackboneConfig("descriptor", block=0, extra_features=["token.1"]))
    assert patch.widths == [14, 28]
    assert torch.equal(patch(image), torch.cat([whole[:, :14], whole], 1))
    contrast = build_backbone(BackboneConfig("descriptor", block=0, extra_features=["contrast"]))
    assert torch.equal(contrast(image)[:, 14:], border_contrast(whole))
    backbone, taps = build_with_every_tap(BackboneConfig("descriptor"))
    assert [str(tap) for tap in taps] == ["token.0", "token.1"]
    assert torch.equal(backbone(image), patch(image))
    # The configs of transformers name more blocks: the last one, and no feature of the others.
    stands_in = build_backbone(BackboneConfig("descriptor", block=6, extra_features=["token.4"]))
    assert torch.equal(stands_in(image), whole)
    with pytest.raises(SodError, match="descriptor has 2 blocks"):
        build_backbone(BackboneConfig("descriptor", block=-3))
