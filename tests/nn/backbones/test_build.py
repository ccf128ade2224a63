from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from safetensors.torch import load_file, save_file

from sod.core.errors import SodError
from sod.nn.backbones.build import BackboneConfig, build_backbone
from sod.nn.backbones.vit import PositionMode, Tap

NAME = "vit_tiny_patch16_224"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"name": "vit_smal_patch16_224"}, "Did you mean 'vit_small_patch16_224'?"),
        ({"name": "vit_small_patch16_224.dinno"}, "Did you mean 'vit_small_patch16_224.dino'?"),
        ({"name": "resnet18"}, "resnet18 has no 'key' features: choose token"),
        ({"name": "inception_v3"}, "'inception_v3' gives no dense features here; choose"),
        ({"facet": "keys"}, "Did you mean 'key'?"),
        ({"block": 12}, "has 12 blocks, 0 to 11"),
        ({"extra_features": ["token"]}, "'token' is not FACET.BLOCK"),
        ({"extra_features": ["token.-13"]}, "has 12 blocks"),
    ],
)
def test_wrong_settings_are_named(settings: dict[str, Any], message: str) -> None:
    config = BackboneConfig(**{"name": NAME, "weights": None, **settings})
    with pytest.raises(SodError) as caught:
        build_backbone(config)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_blocks_count_from_either_end() -> None:
    config = BackboneConfig(NAME, None, "key", -1, "timm", ["token.4", "value.-12"])
    backbone = build_backbone(config)
    assert backbone.taps == [Tap("key", 11), Tap("token", 4), Tap("value", 0)]
    assert (backbone.patch_size, backbone.channels) == (16, 3 * 192)


@pytest.mark.parametrize(
    ("name", "chosen", "expected"),
    [
        ("vit_small_patch16_224.dino", "auto", "dino"),
        ("vit_small_patch8_224.dino", "auto", "dino"),
        ("vit_tiny_patch16_224.augreg_in21k", "auto", "timm"),
        ("vit_tiny_patch16_224", "auto", "timm"),
        ("vit_small_patch16_224.dino", "timm", "timm"),
        ("vit_tiny_patch16_224", "dino", "dino"),
    ],
)
def test_positions_are_interpolated_as_in_dino_for_its_weights(
    name: str, chosen: PositionMode, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A small model stands for each: the tag alone matters.
    small = timm.create_model(NAME, num_classes=0, dynamic_img_size=True)
    monkeypatch.setattr("sod.nn.backbones.build.load_model", lambda *_: small)
    assert build_backbone(BackboneConfig(name, None, pos_embed=chosen)).pos_embed == expected


def test_statistics_are_those_of_the_model() -> None:
    expected = timm.create_model(NAME).pretrained_cfg
    backbone = build_backbone(BackboneConfig(NAME, None, block=0))
    torch.testing.assert_close(backbone.mean, torch.tensor(expected["mean"]))
    torch.testing.assert_close(backbone.std, torch.tensor(expected["std"]))


def test_a_whole_model_loads_from_a_file(tmp_path: Path) -> None:
    state = timm.create_model(NAME, num_classes=7).state_dict()
    save_file(state, tmp_path / "vit.safetensors")
    backbone = build_backbone(BackboneConfig(NAME, str(tmp_path / "vit.safetensors"), block=1))
    assert torch.equal(backbone.vit.pos_embed, state["pos_embed"])
    key = state["blocks.1.attn.qkv.weight"][192:384]
    assert torch.equal(backbone.parts[0].linear.weight, key)


def test_shared_weights_load(shared: Path) -> None:
    file = shared / "weights" / "vit_tiny_patch16_224.safetensors"
    backbone = build_backbone(BackboneConfig(NAME, str(file), "value", 6))
    assert len(backbone.vit.blocks) == 6
    state = load_file(file)
    assert torch.equal(backbone.vit.pos_embed, state["pos_embed"])
    assert torch.equal(backbone.vit.blocks[5].mlp.fc2.weight, state["blocks.5.mlp.fc2.weight"])
    (value,) = backbone.parts
    assert torch.equal(value.norm.weight, state["blocks.6.norm1.weight"])
    assert torch.equal(value.linear.weight, state["blocks.6.attn.qkv.weight"][384:])
    assert torch.equal(value.linear.bias, state["blocks.6.attn.qkv.bias"][384:])
    assert torch.isfinite(backbone(torch.rand(1, 3, 48, 32))).all()
