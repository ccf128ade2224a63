"""The truncated transformer, compared with hooks on the whole model."""

from typing import Literal, TypeAlias

import pytest
import torch
from helpers.vit_cases import STATISTICS, Model, tiny_vit
from timm.models.eva import Eva
from timm.models.vision_transformer import ResPostBlock
from torch import Tensor, nn

from sod.core.errors import SodError
from sod.nn.backbones.vit import Tap, VisionBackbone, share_backbones

QKV = {"query": 0, "key": 1, "value": 2}
Facet: TypeAlias = Literal["query", "key", "value", "token"]


def full_features(vit: Model, images: Tensor, facet: Facet, block: int) -> Tensor:
    """Return the features of the whole model, taken with a hook."""
    outputs = {}
    inside = vit.blocks[block] if facet == "token" else vit.blocks[block].attn.qkv
    handle = inside.register_forward_hook(lambda _, __, output: outputs.update(value=output))
    mean, std = (torch.tensor(STATISTICS[key]).view(-1, 1, 1) for key in ("mean", "std"))
    with torch.no_grad():
        vit.forward_features((images - mean) / std)
    handle.remove()
    value = outputs["value"][:, vit.num_prefix_tokens :]
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


def test_several_features_are_concatenated_in_the_given_order() -> None:
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


def test_separate_biases_of_eva_are_used() -> None:
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


def test_unsupported_models_are_refused() -> None:
    with pytest.raises(SodError, match="tiny: not a plain pre-norm vision transformer"):
        VisionBackbone(tiny_vit(block_fn=ResPostBlock), [Tap("key", 1)], "timm", "tiny")
    with pytest.raises(SodError, match="pos_embed 'timm'"):
        VisionBackbone(tiny_vit(Eva), [Tap("key", 1)], "dino", "tiny")


def test_equal_backbones_are_shared_and_run_once(monkeypatch: pytest.MonkeyPatch) -> None:
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
    assert len(calls) == 2  # once for the first two, once for the third, which has another feature
    other = images.clone()
    other[0, 0, 0, 0] += 0.1
    assert not torch.equal(shared[0](other), expected[0])
    assert torch.equal(shared[1](images), expected[1])
