"""TokenCut: what the backbone is shown, and how the cut becomes a map."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from sod.methods.tokencut import TokenCut
from sod.nn.backbones.build import BackboneConfig
from sod.nn.resize import lanczos_resize
from sod.spectral import normalized_cut

FREE = BackboneConfig("descriptor", None)
PATCH = 8


def scene(height: int, width: int) -> Tensor:
    """A bright square on a dark, slightly noisy ground."""
    noise = torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(0))
    images = 0.2 + 0.02 * noise
    images[..., height // 4 : height // 2, width // 4 : width // 2] += 0.6
    return images


def shown(method: TokenCut, images: Tensor, monkeypatch: pytest.MonkeyPatch) -> Tensor:
    """Return what the backbone is given for some images."""
    given: list[Tensor] = []
    forward = method.backbone.forward
    monkeypatch.setattr(
        method.backbone, "forward", lambda images: given.append(images) or forward(images)
    )
    method.saliency(images)
    (prepared,) = given
    return prepared


@pytest.mark.parametrize(
    ("size", "options", "expected"),
    [
        ((43, 62), {}, (40, 64)),  # the nearest multiples of 8
        ((43, 62), {"scale": 2.0}, (88, 128)),  # of 86 and 124; 124 / 8 is rounded to even
        ((43, 62), {"resize": "discovery"}, (48, 64)),  # the next multiples
        ((80, 160), {"max_tokens": 50}, (40, 80)),  # 200 tokens are halved on both sides
        ((80, 160), {"max_tokens": 200, "scale": 2.0}, (80, 160)),  # of 800 tokens
        ((3, 5), {}, (8, 8)),  # at least one patch
    ],
    ids=["nearest", "scale", "discovery", "bounded", "scaled and bounded", "tiny"],
)
def test_the_size_of_what_the_backbone_is_given(
    size: tuple[int, int],
    options: dict[str, object],
    expected: tuple[int, int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    method = TokenCut(FREE, **options)  # type: ignore[arg-type]
    assert shown(method, scene(*size), monkeypatch).shape[-2:] == expected


def test_discovery_pads_with_the_mean_colour_and_crops_the_map(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    method, images = TokenCut(FREE, tau=0.3, resize="discovery"), scene(43, 62)
    prepared = shown(method, images, monkeypatch)
    assert torch.equal(prepared[..., :43, :62], images)
    assert torch.equal(prepared[..., 43:, :], torch.full((1, 3, 5, 64), 0.5))
    component = normalized_cut(method.backbone(prepared)[0], 0.3).component
    full = F.interpolate(component[None, None].float(), (48, 64), mode="nearest")
    assert torch.equal(method.saliency(images), full[..., :43, :62])
    assert 0 < full.mean() < 1


@pytest.mark.parametrize("graph", ["binary", "weighted"])
def test_the_map_is_the_seeds_component_by_nearest_neighbour(graph: str) -> None:
    method, images = TokenCut(FREE, 0.35, 1e-4, graph), scene(43, 62)  # type: ignore[arg-type]
    features = method.backbone(lanczos_resize(images, (40, 64)))[0]
    component = normalized_cut(features, 0.35, 1e-4, graph).component  # type: ignore[arg-type]
    expected = F.interpolate(component[None, None].float(), (43, 62), mode="nearest")
    assert torch.equal(method.saliency(images), expected)
    inside = method.saliency(images)[0, 0, 14:18, 20:28]
    assert inside.mean() == 1
