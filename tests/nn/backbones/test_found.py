import math
from pathlib import Path

import numpy as np
import pytest
import torch

from sod.core.errors import SodError
from sod.nn.backbones.build import BackboneConfig
from sod.nn.backbones.found import FoundBackground, found_background


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


def test_masks_of_real_weights(shared: Path) -> None:
    weights = str(shared / "weights" / "vit_tiny_patch16_224.safetensors")
    found = FoundBackground(BackboneConfig("vit_tiny_patch16_224", weights, "key", 6, "timm"))
    images = torch.rand(2, 3, 64, 96)
    masks = found.masks(images)
    assert masks.shape == (2, 1, 4, 6)
    vit, keys = found.backbone, found.backbone.tapped(images)[0]
    assert keys.shape == (2, 25, 192)
    assert vit.prefix == 1
    assert vit.heads == 3
    assert torch.equal(masks, found.masks(images))


def test_a_backbone_without_class_token_is_refused() -> None:
    with pytest.raises(SodError, match=r"initial_targets\.kind: 'found' needs a class token"):
        FoundBackground(BackboneConfig("descriptor", None))
