"""Every family of timm's models, at random weights, against timm's own forward pass."""

from copy import deepcopy

import pytest
import timm
import torch
from helpers.families import PLAIN, STAGED, small_models
from helpers.vit_cases import Model
from torch import Tensor

from sod.core.errors import SodError
from sod.nn.backbones.build import BackboneConfig, build_backbone, build_with_every_tap
from sod.nn.backbones.convit import relative_positions
from sod.nn.backbones.families import family_of
from sod.spectral import normalized_cut


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    small_models(monkeypatch)


def normalised(images: Tensor, model: Model) -> Tensor:
    mean, std = (torch.tensor(model.pretrained_cfg[key]).view(3, 1, 1) for key in ("mean", "std"))
    return (images - mean) / std


@pytest.mark.parametrize("name", [name for name in PLAIN if not name.startswith("convit")])
@torch.inference_mode()
def test_tokens_are_those_of_timms_own_forward(name: str) -> None:
    model = timm.create_model(name, num_classes=0, dynamic_img_size=True)
    patch = model.patch_embed.patch_size[0]
    images = torch.rand(2, 3, 3 * patch, 5 * patch)
    config = BackboneConfig(name, None, pos_embed="timm")
    backbone, taps = build_with_every_tap(config)
    features = backbone(images)
    assert features.shape == (2, backbone.channels, 3, 5)
    parts = dict(zip(map(str, taps), features.split(backbone.widths, 1), strict=True))
    expected = model.forward_intermediates(normalised(images, model), intermediates_only=True)
    assert len(expected) == len(model.blocks)
    for block, tokens in enumerate(expected):
        torch.testing.assert_close(parts[f"token.{block}"], tokens, atol=1e-4, rtol=1e-4)
    for facet in ("query", "key", "value"):
        alone = build_backbone(BackboneConfig(name, None, facet, 1, "timm", ["token.0"]))
        both = torch.cat([parts[f"{facet}.1"], parts["token.0"]], 1)
        torch.testing.assert_close(alone(images), both, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", STAGED)
@torch.inference_mode()
def test_stages_are_those_of_timms_own_forward(name: str) -> None:
    options = {"strict_img_size": False} if name.startswith("swin") else {}
    model = timm.create_model(name, num_classes=0, **options)
    images = torch.rand(1, 3, 256, 256)
    backbone, taps = build_with_every_tap(BackboneConfig(name, None))
    features = backbone(images)
    assert features.shape == (1, backbone.channels, 16, 16)
    parts = dict(zip(map(str, taps), features.split(backbone.widths, 1), strict=True))
    stages = model.forward_intermediates(normalised(images, model), intermediates_only=True)
    tokens = [part for tap, part in parts.items() if tap.startswith("token")]
    stages = [stage for stage in stages if stage.shape[1] in {part.shape[1] for part in tokens}]
    for stage in stages[-4:]:
        stride = images.shape[-1] // stage.shape[-1]
        if stride <= 16:
            expected = torch.nn.functional.avg_pool2d(stage, 16 // stride)
        else:
            expected = torch.nn.functional.interpolate(stage, (16, 16), mode="bilinear")
        last = [part for part in tokens if part.shape[1] == stage.shape[1]][-1]
        torch.testing.assert_close(last, expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(
    "name", ["convnext_tiny.dinov3_lvd1689m", "swin_tiny_patch4_window7_224.ms_in1k"]
)
@torch.inference_mode()
def test_a_copy_has_features_of_its_own(name: str) -> None:
    backbone, _ = build_with_every_tap(BackboneConfig(name, None))
    images = torch.rand(1, 3, 224, 224)
    expected = backbone(images)
    copied = deepcopy(backbone)
    for parameter in backbone.parameters():
        parameter.zero_()
    assert torch.equal(copied(images), expected)


@pytest.mark.parametrize("name", [*STAGED, "convit_tiny.fb_in1k"])
@torch.inference_mode()
def test_any_size_gives_a_grid_that_can_be_cut(name: str) -> None:
    images = torch.rand(1, 3, 112, 80)
    images[..., 32:80, 16:48] = images[..., 32:80, 16:48] * 0.3
    backbone, taps = build_with_every_tap(BackboneConfig(name, None))
    features = backbone(images)
    assert features.shape == (1, backbone.channels, 7, 5)
    assert torch.isfinite(features).all()
    middle = len(taps) // 2
    tap = taps[middle]
    alone = build_backbone(BackboneConfig(name, None, tap.facet, tap.block))(images)
    whole = features.split(backbone.widths, 1)[middle]
    torch.testing.assert_close(alone, whole, atol=1e-4, rtol=1e-4)
    assert normalized_cut(whole[0], 0.3).component.shape == (7, 5)


@torch.inference_mode()
def test_convit_is_timms_at_its_own_size_and_knows_rectangles() -> None:
    name = "convit_tiny.fb_in1k"
    model = timm.create_model(name, num_classes=0)
    images = torch.rand(1, 3, 224, 224)
    backbone, taps = build_with_every_tap(BackboneConfig(name, None))
    parts = backbone(images).split(backbone.widths, 1)
    tokens = [part for tap, part in zip(taps, parts, strict=True) if tap.facet == "token"]
    expected = model.forward_intermediates(normalised(images, model), intermediates_only=True)
    for part, other in zip(tokens, expected, strict=True):
        torch.testing.assert_close(part, other, atol=1e-4, rtol=1e-4)
    attention = model.blocks[0].attn
    assert torch.equal(relative_positions((4, 4)), attention.get_rel_indices(16))
    # From the first token of a 2 x 3 grid to the last: two columns, one row.
    assert relative_positions((2, 3))[0, 0, 5].tolist() == [2, 1, 5]


def test_convolutions_have_tokens_only() -> None:
    with pytest.raises(SodError, match="has no 'value' features: choose token"):
        build_backbone(BackboneConfig("resnet18.a1_in1k", None, "value", 0))


def test_models_that_cannot_serve_name_some_that_do() -> None:
    for name in ("inception_v3", "mixer_b16_224", "vit_relpos_small_patch16_224"):
        with pytest.raises(SodError, match=f"'{name}' gives no dense features here; choose"):
            family_of(name)
