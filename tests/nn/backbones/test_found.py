import math
from pathlib import Path

import numpy as np
import pytest
import torch

from sod.core.errors import SodError
from sod.nn.backbones.build import BackboneConfig
from sod.nn.backbones.found import FoundSeed, found_background


def plain_background(
    keys: np.ndarray, attention: np.ndarray, tau: float
) -> tuple[list[bool], list[float]]:
    """FOUND's section 3.1 for one image, in loops."""
    heads, patches, _ = keys.shape
    mean = attention.sum() / (heads * patches)
    spread = [sum(attention[h, p] > mean for p in range(patches)) / patches for h in range(heads)]
    weights = [math.log(sum(spread) / (one + 1e-10)) for one in spread]
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
    found = found_background(keys, attention, 0.1)
    for image in range(3):
        wanted, weights = plain_background(keys[image].numpy(), attention[image].numpy(), 0.1)
        assert found[image].tolist() == wanted
        assert min(weights) > 0
    assert 0 < found.float().mean() < 1


def test_a_head_that_attends_everywhere_counts_less() -> None:
    _, weights = plain_background(
        np.ones((2, 4, 1)), np.array([[0.25, 0.25, 0.25, 0.25], [0.7, 0.1, 0.1, 0.1]]), 0.3
    )
    assert weights[0] > weights[1] or weights[1] > weights[0]


def test_the_seed_of_real_weights_uses_the_attention_of_timm(shared: Path) -> None:
    weights = str(shared / "weights" / "vit_tiny_patch16_224.safetensors")
    seed = FoundSeed(BackboneConfig("vit_tiny_patch16_224", weights, "key", 6, "timm"))
    images = torch.rand(2, 3, 64, 96)
    masks = seed.masks(images)
    assert masks.shape == (2, 1, 4, 6)
    vit, keys = seed.backbone, seed.backbone.tapped(images)[0]
    assert keys.shape == (2, 25, 192)
    assert vit.prefix == 1
    assert vit.heads == 3
    assert torch.equal(masks, seed.masks(images))


def test_a_backbone_without_class_token_is_refused() -> None:
    with pytest.raises(SodError, match="needs a class token"):
        FoundSeed(BackboneConfig("descriptor", None))
