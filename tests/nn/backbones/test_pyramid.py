from pathlib import Path

import pytest
import timm
import torch
import torch.nn.functional as F
from helpers.network_cases import CNN, TOKENS, disc

from sod.core.errors import SodError
from sod.nn.backbones.build import BackboneConfig, build_backbone
from sod.nn.backbones.build_pyramid import build_pyramid
from sod.nn.backbones.pyramid import TokenPyramid, level_widths
from sod.nn.decoders.network import to_grid


def test_cnn_levels_are_the_stages_of_timm() -> None:
    torch.manual_seed(0)
    pyramid = build_pyramid(CNN)
    assert (pyramid.channels, pyramid.strides) == ((64, 128, 256, 512), (4, 8, 16, 32))
    reference = timm.create_model("resnet18", features_only=True, out_indices=(1, 2, 3, 4)).eval()
    reference.load_state_dict(pyramid.body.state_dict())
    images = torch.rand(2, 3, 64, 96)
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    with torch.no_grad():
        levels = pyramid.eval()(images)
        expected = reference((images - mean.view(3, 1, 1)) / std.view(3, 1, 1))
    for level, stage in zip(levels, expected, strict=True):
        torch.testing.assert_close(level, stage)


@pytest.mark.parametrize("trainable", [True, False])
@pytest.mark.parametrize("freeze_norm", [True, False])
def test_frozen_parts_do_not_change(trainable: bool, freeze_norm: bool) -> None:
    torch.manual_seed(0)
    pyramid = build_pyramid(CNN, trainable=trainable, freeze_norm=freeze_norm).train()
    before = {name: value.clone() for name, value in pyramid.state_dict().items()}
    levels = pyramid(torch.rand(2, 3, 64, 64))
    moved = any(not torch.equal(before[k], v) for k, v in pyramid.state_dict().items())
    assert moved == (trainable and not freeze_norm)
    assert levels[0].requires_grad == trainable


def test_token_levels_are_the_blocks_and_a_stem() -> None:
    torch.manual_seed(0)
    backbone = build_backbone(TOKENS)
    pyramid = TokenPyramid(backbone, levels=2, width=24)
    assert (pyramid.channels, pyramid.strides) == ((24, 24, 192, 192), (4, 8, 16, 16))
    images = torch.rand(1, 3, 32, 48)
    levels = pyramid(images)
    assert [tuple(maps.shape) for maps in levels] == [
        (1, 24, 8, 12),
        (1, 24, 4, 6),
        (1, 192, 2, 3),
        (1, 192, 2, 3),
    ]
    assert torch.equal(torch.cat(levels[2:], dim=1), backbone(images))
    assert levels[0].requires_grad
    assert not levels[2].requires_grad


def test_a_tapered_stem_halves_its_channels_with_the_stride() -> None:
    assert level_widths([4, 8, 16, 16], 64, taper=True) == [16, 32, 64, 64]
    assert level_widths([4, 8, 16, 32], 32, taper=True) == [8, 8, 16, 32]
    assert level_widths([4, 8, 16, 16], 64, taper=False) == [64, 64, 64, 64]
    pyramid = TokenPyramid(build_backbone(TOKENS), levels=2, width=64, taper=True)
    levels = pyramid(torch.rand(1, 3, 32, 48))
    assert [tuple(maps.shape[1:]) for maps in levels[:2]] == [(16, 8, 12), (32, 4, 6)]
    assert pyramid.channels == (16, 32, 192, 192)


def test_merged_features_are_one_level() -> None:
    apart = build_pyramid(TOKENS, width=16)
    together = build_pyramid(TOKENS, width=16, merge=True)
    assert (apart.channels, apart.strides) == ((16, 16, 192, 192), (4, 8, 16, 16))
    assert (together.channels, together.strides) == ((16, 16, 384), (4, 8, 16))


def test_real_features_separate_an_object(shared: Path) -> None:
    weights = str(shared / "weights" / "vit_tiny_patch16_224.safetensors")
    config = BackboneConfig(
        "vit_tiny_patch16_224",
        weights,
        facet="token",
        block=3,
        pos_embed="timm",
        extra_features=["token.6"],
    )
    pyramid = build_pyramid(config, width=8)
    image, mask = disc(160, 160)
    tokens = pyramid(image)[-1].flatten(2)[0].T
    inside = to_grid(mask, 16).flatten() > 0.5
    similar = F.normalize(tokens, dim=1) @ F.normalize(tokens[inside].mean(0), dim=0)
    assert similar[inside].mean() > similar[~inside].mean() + 0.1


def test_levels_have_to_divide_the_channels() -> None:
    backbone = build_backbone(TOKENS)
    with pytest.raises(
        SodError, match=r"backbone.extra_features: 384 channels cannot be split into 5"
    ):
        TokenPyramid(backbone, levels=5)


def test_a_wrong_model_is_named() -> None:
    with pytest.raises(SodError, match="Did you mean 'resnet50'"):
        build_pyramid(BackboneConfig("resnet5O", None))
    with pytest.raises(SodError, match="no stages for images of any size"):
        build_pyramid(BackboneConfig("swin_tiny_patch4_window7_224", None))


def test_a_wrong_weights_file_is_named(tmp_path: Path) -> None:
    file = tmp_path / "weights.pth"
    torch.save({"conv1.weight": torch.zeros(1)}, file)
    with pytest.raises(SodError, match=r"weights\.pth: not the weights of resnet18"):
        build_pyramid(BackboneConfig("resnet18", str(file)))


def test_a_weights_file_is_loaded(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = timm.create_model("resnet18")
    file = tmp_path / "weights.pth"
    torch.save(model.state_dict(), file)
    pyramid = build_pyramid(BackboneConfig("resnet18", str(file)))
    assert torch.equal(pyramid.body.conv1.weight, model.conv1.weight)
