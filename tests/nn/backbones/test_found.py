import math

import numpy as np
import pytest
import timm
import torch
from helpers.vit_cases import Model
from safetensors.torch import save_file
from torch import Tensor

from sod.core.errors import SodError
from sod.nn.backbones.build import BackboneConfig
from sod.nn.backbones.found import FoundBackground, found_background

NAME, TAU = "vit_tiny_patch16_224", 0.5


def plain_background(
    keys: np.ndarray, attention: np.ndarray, tau: float
) -> tuple[list[bool], list[float]]:
    """FOUND's section 3.1 for one image, in loops: the background and the weights of the heads."""
    heads, patches, _ = keys.shape
    mean = attention.sum() / (heads * patches)
    shares = [sum(attention[h, p] > mean for p in range(patches)) / patches for h in range(heads)]
    weights = [math.log(sum(shares) / (share + 1e-10)) for share in shares]
    received = [sum(weights[h] * attention[h, p] for h in range(heads)) for p in range(patches)]
    seed = received.index(min(received))
    joined = [
        np.concatenate([weights[h] * keys[h, p] for h in range(heads)]) for p in range(patches)
    ]
    unit = [vector / np.linalg.norm(vector) for vector in joined]
    return [float(vector @ unit[seed]) > tau for vector in unit], weights


def test_the_background_is_that_of_the_plain_formulation() -> None:
    torch.manual_seed(0)
    keys = torch.randn(3, 4, 30, 8, dtype=torch.float64)
    attention = torch.randn(3, 4, 30, dtype=torch.float64).mul(2).softmax(-1)
    background = found_background(keys, attention, 0.1)
    for image in range(3):
        expected, weights = plain_background(keys[image].numpy(), attention[image].numpy(), 0.1)
        assert background[image].tolist() == expected
        assert min(weights) > 0
    assert 0 < background.float().mean() < 1


def test_a_head_that_attends_to_many_patches_weighs_less() -> None:
    # Three patches of the first head are above the mean of 0.25, one of the second. With equal
    # weights, the last patch would receive the least attention.
    attention = torch.tensor([[[0.31, 0.35, 0.30, 0.04], [0.1, 0.1, 0.6, 0.2]]])
    keys = torch.eye(4).expand(1, 2, 4, 4)
    assert found_background(keys, attention, 0.5).tolist() == [[True, False, False, False]]


@pytest.fixture(scope="module")
def vit(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Model]:
    """A file of random weights, and timm's model with them."""
    torch.manual_seed(0)
    model = timm.create_model(NAME, dynamic_img_size=True).eval()
    for name, parameter in model.named_parameters():  # zero tokens and biases would hide errors
        scales = "norm" in name and name.endswith("weight")
        torch.nn.init.normal_(parameter, float(scales), 0.08)
    file = tmp_path_factory.mktemp("weights") / "vit.safetensors"
    save_file(model.state_dict(), file)
    return str(file), model


def attention_of_timm(vit: Model, images: Tensor, block: int) -> tuple[Tensor, Tensor]:
    """Return the keys ``[B, heads, N, d]`` and the class token's attention of timm's forward."""
    inside, seen = vit.blocks[block].attn, {}
    inside.fused_attn = False
    hooks = [
        inside.k_norm.register_forward_hook(lambda _, __, keys: seen.update(keys=keys)),
        inside.attn_drop.register_forward_hook(lambda _, __, shares: seen.update(shares=shares)),
    ]
    mean, std = (torch.tensor(vit.pretrained_cfg[key]).view(3, 1, 1) for key in ("mean", "std"))
    with torch.no_grad():
        vit.forward_features((images - mean) / std)
    for hook in hooks:
        hook.remove()
    return seen["keys"][:, :, 1:], seen["shares"][:, :, 0, 1:]


@pytest.mark.parametrize("block", [-1, 6])
def test_keys_and_attention_are_those_of_timm(
    vit: tuple[str, Model], block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The class token's attention of timm's own forward, and the mask that follows from it."""
    file, model = vit
    images = torch.rand(2, 3, 48, 80, generator=torch.Generator().manual_seed(0))
    images[:, 1:, 16:, 32:] *= 0.2
    expected_keys, expected = attention_of_timm(model, images, block)
    assert expected_keys.shape == (2, 3, 15, 64)
    assert expected.shape == (2, 3, 15)
    assert (expected.amax(2) / expected.mean(2)).min() > 1.5  # far from even
    given: list[Tensor] = []

    def recording(keys: Tensor, attention: Tensor, tau: float) -> Tensor:
        given.extend((keys, attention))
        return found_background(keys, attention, tau)

    monkeypatch.setattr("sod.nn.backbones.found.found_background", recording)
    masks = FoundBackground(BackboneConfig(NAME, file, "key", block, "timm")).masks(images, TAU)
    torch.testing.assert_close(given[0], expected_keys, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(given[1], expected, atol=1e-5, rtol=1e-5)
    for image in range(2):
        plain, _ = plain_background(expected_keys[image].numpy(), expected[image].numpy(), TAU)
        assert masks[image].flatten().tolist() == [not background for background in plain]
    assert masks.shape == (2, 1, 3, 5)
    assert 0 < masks.float().mean() < 1


def test_a_backbone_without_class_token_is_refused() -> None:
    with pytest.raises(SodError, match=r"initial_targets\.kind: 'found' needs a class token"):
        FoundBackground(BackboneConfig("descriptor", None))
