from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
import pytest
import timm
import torch
from timm.models.eva import Eva
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

from sod.core.errors import SodError
from sod.nn.backbones.build import BackboneConfig, build_backbone
from sod.nn.backbones.position import dino_position
from sod.nn.backbones.vit import Tap, VisionBackbone, share_backbones

TINY = {"img_size": 32, "patch_size": 8, "embed_dim": 24, "depth": 3, "num_heads": 3}
STATISTICS = {"mean": (0.5, 0.4, 0.3), "std": (0.2, 0.25, 0.3)}
QKV = {"query": 0, "key": 1, "value": 2}
Facet: TypeAlias = Literal["query", "key", "value", "token"]
Model: TypeAlias = Any
Options: TypeAlias = Any


def tiny_vit(kind: type[nn.Module] = VisionTransformer, **options: Options) -> Model:
    torch.manual_seed(0)
    vit = kind(**TINY, num_classes=0, dynamic_img_size=True, **options).eval()
    for parameter in vit.parameters():  # zero tokens and biases would hide mistakes
        nn.init.normal_(parameter, std=0.3)
    vit.pretrained_cfg = STATISTICS
    return vit


def full_features(vit: Model, images: Tensor, facet: Facet, block: int) -> Tensor:
    """Hook the whole model: the reference for what the truncated one returns."""
    caught = {}
    inside = vit.blocks[block] if facet == "token" else vit.blocks[block].attn.qkv
    handle = inside.register_forward_hook(lambda _, __, output: caught.update(value=output))
    mean, std = (torch.tensor(STATISTICS[key]).view(-1, 1, 1) for key in ("mean", "std"))
    with torch.no_grad():
        vit.forward_features((images - mean) / std)
    handle.remove()
    value = caught["value"][:, vit.num_prefix_tokens :]
    if facet != "token":
        value = value.reshape(*value.shape[:2], 3, -1)[:, :, QKV[facet]]
    rows, columns = images.shape[-2] // 8, images.shape[-1] // 8
    return value.transpose(1, 2).reshape(len(images), -1, rows, columns)


@pytest.mark.parametrize("facet", ["query", "key", "value", "token"])
@pytest.mark.parametrize("block", [0, 1, 2])
@pytest.mark.parametrize("registers", [0, 4])
def test_truncated_model_equals_the_hooked_whole(facet: Facet, block: int, registers: int) -> None:
    images = torch.rand(2, 3, 24, 40)
    vit = tiny_vit(reg_tokens=registers)
    expected = full_features(vit, images, facet, block)
    backbone = VisionBackbone(vit, [Tap(facet, block)], "timm", "tiny")
    assert len(backbone.vit.blocks) == block + (facet == "token")
    assert expected.shape == (2, backbone.channels, 3, 5)
    torch.testing.assert_close(backbone(images), expected, atol=1e-5, rtol=1e-5)


def test_several_features_are_concatenated_in_the_order_asked() -> None:
    images = torch.rand(1, 3, 32, 32)
    taps = [Tap("value", 2), Tap("token", 0), Tap("key", 1), Tap("key", 1)]
    expected = [full_features(tiny_vit(), images, tap.facet, tap.block) for tap in taps]
    backbone = VisionBackbone(tiny_vit(), taps, "timm", "tiny")
    assert backbone.channels == 4 * 24
    torch.testing.assert_close(backbone(images), torch.cat(expected, 1), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("bias", [True, False])
def test_rotary_models_get_their_rotation(bias: bool) -> None:
    options = {"use_rot_pos_emb": True, "use_abs_pos_emb": False, "qkv_bias": bias}
    images = torch.rand(1, 3, 24, 40)
    vit = tiny_vit(Eva, **options)
    expected = full_features(vit, images, "token", 2)
    backbone = VisionBackbone(vit, [Tap("token", 2)], "dino", "tiny")
    torch.testing.assert_close(backbone(images), expected, atol=1e-5, rtol=1e-5)


def test_biases_that_eva_keeps_apart_are_used() -> None:
    vit = tiny_vit(Eva, use_abs_pos_emb=False, use_rot_pos_emb=True)
    block, images = vit.blocks[1], torch.rand(1, 3, 16, 16)
    assert block.attn.qkv.bias is None
    normed = []
    block.norm1.register_forward_hook(lambda _, __, output: normed.append(output))
    full_features(vit, images, "token", 1)
    linear = normed[0][:, vit.num_prefix_tokens :] @ block.attn.qkv.weight[48:].T
    expected = linear + block.attn.v_bias
    backbone = VisionBackbone(vit, [Tap("value", 1)], "timm", "tiny")
    result = backbone(images).flatten(2).transpose(1, 2)
    torch.testing.assert_close(result, expected, atol=1e-5, rtol=1e-5)


def test_unfused_projections_are_read() -> None:
    vit = tiny_vit(Eva, use_abs_pos_emb=False, use_rot_pos_emb=True, qkv_fused=False)
    expected = vit.blocks[0].attn.k_proj.weight.detach().clone()
    backbone = VisionBackbone(vit, [Tap("key", 0)], "timm", "tiny")
    assert torch.equal(backbone.parts[0].linear.weight, expected)


def cubic(distance: np.ndarray) -> np.ndarray:
    a, x = -0.75, np.abs(distance)
    near = (a + 2) * x**3 - (a + 3) * x**2 + 1
    far = a * x**3 - 5 * a * x**2 + 8 * a * x - 4 * a
    return np.where(x <= 1, near, np.where(x < 2, far, 0))


def plain_dino(old: int, new: int) -> np.ndarray:
    """Sample at (i + 0.5) * old / (new + 0.1) - 0.5 with repeated borders."""
    matrix = np.zeros((new, old))
    for row in range(new):
        place = (row + 0.5) * old / (new + 0.1) - 0.5
        for source in range(int(np.floor(place)) - 1, int(np.floor(place)) + 3):
            matrix[row, min(max(source, 0), old - 1)] += cubic(np.array(place - source))
    return matrix


@pytest.mark.parametrize("grid", [(3, 5), (7, 4), (6, 6)])
def test_dino_positions_follow_the_formula(grid: tuple[int, int]) -> None:
    embedding = torch.randn(1, 1 + 16, 5)
    patches = embedding[0, 1:].view(4, 4, 5).double().numpy()
    expected = np.einsum("hr,wc,rcd->hwd", plain_dino(4, grid[0]), plain_dino(4, grid[1]), patches)
    result = dino_position(embedding, (4, 4), grid)
    assert torch.equal(result[:, :1], embedding[:, :1])
    np.testing.assert_allclose(result[0, 1:].numpy(), expected.reshape(-1, 5), atol=1e-5)
    assert dino_position(embedding, (4, 4), (4, 4)) is embedding


@pytest.mark.parametrize("options", [{}, {"no_embed_class": True, "reg_tokens": 2}])
def test_dino_embedding_differs_from_timm_only_in_the_interpolation(options: Options) -> None:
    dino = VisionBackbone(tiny_vit(**options), [Tap("token", 1)], "dino", "tiny")
    usual = VisionBackbone(tiny_vit(**options), [Tap("token", 1)], "timm", "tiny")
    trained = torch.rand(1, 3, 32, 32)
    torch.testing.assert_close(dino(trained), usual(trained))
    other = torch.rand(1, 3, 48, 16)
    assert not torch.allclose(dino(other), usual(other), atol=1e-3)


def test_positions_are_cached_until_the_weights_change() -> None:
    backbone = VisionBackbone(tiny_vit(), [Tap("token", 0)], "dino", "tiny")
    images = torch.rand(1, 3, 48, 16)
    with torch.inference_mode():
        before = backbone(images).clone()
    assert len(backbone._positions) == 1
    torch.testing.assert_close(backbone(images), before)
    state = backbone.state_dict()
    backbone.load_state_dict({**state, "vit.pos_embed": state["vit.pos_embed"] + 1})
    assert not torch.allclose(backbone(images), before, atol=1e-2)


def test_backbones_stay_frozen_in_training() -> None:
    owner = nn.Sequential(VisionBackbone(tiny_vit(), [Tap("key", 1)], "timm", "tiny"))
    owner.train()
    assert owner.training
    assert not any(module.training for module in owner[0].modules())
    assert not any(parameter.requires_grad for parameter in owner.parameters())


def test_sizes_that_are_no_multiples_are_refused() -> None:
    backbone = VisionBackbone(tiny_vit(), [Tap("key", 1)], "timm", "tiny")
    with pytest.raises(ValueError, match="24x41 images, but patches of 8 pixels"):
        backbone(torch.rand(1, 3, 24, 41))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"name": "vit_smal_patch16_224"}, "Did you mean 'vit_small_patch16_224'?"),
        ({"name": "vit_small_patch16_224.dinno"}, "Did you mean 'vit_small_patch16_224.dino'?"),
        ({"name": "resnet18"}, "'resnet18' is not a vision transformer"),
        ({"facet": "keys"}, "Did you mean 'key'?"),
        ({"block": 12}, "has 12 blocks, 0 to 11"),
        ({"more": ["token"]}, "'token' is not FACET.BLOCK"),
        ({"more": ["token.-13"]}, "has 12 blocks"),
    ],
)
def test_wrong_settings_are_named(settings: dict[str, Any], message: str) -> None:
    config = BackboneConfig(**{"name": "vit_tiny_patch16_224", "weights": None, **settings})
    with pytest.raises(SodError) as caught:
        build_backbone(config)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_models_of_another_form_are_refused() -> None:
    from timm.models.vision_transformer import ResPostBlock

    with pytest.raises(SodError, match="tiny: not a plain pre-norm vision transformer"):
        VisionBackbone(tiny_vit(block_fn=ResPostBlock), [Tap("key", 1)], "timm", "tiny")
    with pytest.raises(SodError, match="pos_embed 'timm'"):
        VisionBackbone(tiny_vit(Eva), [Tap("key", 1)], "dino", "tiny")


def test_blocks_count_from_either_end() -> None:
    config = BackboneConfig(
        "vit_tiny_patch16_224", None, "key", -1, "timm", ["token.4", "value.-12"]
    )
    backbone = build_backbone(config)
    assert backbone.taps == [Tap("key", 11), Tap("token", 4), Tap("value", 0)]
    assert (backbone.patch_size, backbone.channels) == (16, 3 * 192)


def test_statistics_are_those_of_the_model() -> None:
    dino = timm.create_model("vit_tiny_patch16_224").pretrained_cfg
    backbone = build_backbone(BackboneConfig("vit_tiny_patch16_224", None, block=0))
    torch.testing.assert_close(backbone.mean, torch.tensor(dino["mean"]))
    torch.testing.assert_close(backbone.std, torch.tensor(dino["std"]))


def test_shared_weights_load(shared: Path) -> None:
    file = shared / "weights" / "vit_tiny_patch16_224.safetensors"
    backbone = build_backbone(BackboneConfig("vit_tiny_patch16_224", str(file), "value", 6))
    assert len(backbone.vit.blocks) == 6
    assert torch.isfinite(backbone(torch.rand(1, 3, 48, 32))).all()


def test_equal_backbones_are_shared_and_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    def heads() -> list[nn.Module]:
        taps = [[Tap("key", 2)], [Tap("key", 2)], [Tap("value", 1)]]
        return [nn.Sequential(VisionBackbone(tiny_vit(), tap, "timm", "tiny")) for tap in taps]

    images = torch.rand(2, 3, 32, 40, generator=torch.Generator().manual_seed(0))
    expected = [head(images) for head in heads()]
    calls: list[int] = []
    plain = VisionBackbone.tapped
    monkeypatch.setattr(
        VisionBackbone, "tapped", lambda self, x: calls.append(len(x)) or plain(self, x)
    )
    shared = heads()
    share_backbones(shared)
    for head, features in zip(shared, expected, strict=True):
        assert torch.equal(head(images.clone()), features)
    assert len(calls) == 2  # the third looks elsewhere
    other = images.clone()
    other[0, 0, 0, 0] += 0.1
    assert not torch.equal(shared[0](other), expected[0])
    assert torch.equal(shared[1](images), expected[1])
