"""Normalized cuts of photographs, compared with those of the published code."""

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from helpers.spectral_cases import oracle
from torch import Tensor

from sod.data.reading import read_image
from sod.nn.backbones.base import Backbone
from sod.nn.backbones.build import BackboneConfig, build_backbone
from sod.nn.resize import lanczos_resize, saliency_size
from sod.spectral import affinity, bipartition, normalized_cut, second_eigenvector


@pytest.fixture(scope="module")
def backbone(shared: Path) -> Backbone:
    weights = str(shared / "weights" / "vit_tiny_patch16_224.safetensors")
    # The reference was computed with timm's interpolation of the position embedding.
    return build_backbone(BackboneConfig("vit_tiny_patch16_224", weights, "value", 6, "timm"))


def ecssd(shared: Path, name: str) -> Tensor:
    """Return an image of ECSSD, ``[1, 3, H, W]`` in [0, 1]."""
    pixels = read_image(shared / "data" / "ECSSD" / "images" / f"{name}.jpg")
    return torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 255


@pytest.mark.parametrize("number", range(5, 498, 36))
def test_published_cuts_are_reproduced(shared: Path, backbone: Backbone, number: int) -> None:
    name = f"{number:04d}"
    reference = np.load(shared / "reference" / "tokencut_ecssd_every_12th.npz")
    images = ecssd(shared, name)
    size = images.shape[-2:]
    features = backbone(lanczos_resize(images, saliency_size(*size, 16)))[0]
    cut = normalized_cut(features, tau=0.3)
    mask = F.interpolate(cut.component[None, None].float(), size, mode="nearest")[0, 0] > 0
    assert (mask.numpy() == reference[f"{name}_mask"]).mean() >= 0.995
    tied = cut.eigenvector.flatten() >= cut.eigenvector.abs().max() * (1 - 1e-6)
    assert tied[int(reference[f"{name}_seed"])]


@pytest.mark.parametrize("name", ["0003", "0122", "0474"])
def test_real_graphs_give_the_oracles_partition(
    shared: Path, backbone: Backbone, name: str
) -> None:
    images = ecssd(shared, name)
    features = backbone(lanczos_resize(images, saliency_size(*images.shape[-2:], 16)))
    weights = affinity(features[0].flatten(1).T, 0.3)
    expected = oracle(weights)
    torch.testing.assert_close(second_eigenvector(weights), expected, atol=1e-8, rtol=0)
    assert torch.equal(bipartition(second_eigenvector(weights)), bipartition(expected))
