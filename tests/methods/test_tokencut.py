"""TokenCut: what the backbone is shown, and how the cut becomes a map."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from sod.core.errors import SodError
from sod.methods.tokencut import TokenCut
from sod.nn.backbones.build import BackboneConfig, build_with_every_tap
from sod.nn.backbones.object_heads import ObjectHeads
from sod.nn.resize import lanczos_resize
from sod.spectral import Cut, normalized_cut
from sod.spectral.masks import MasksConfig

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


def test_it_is_no_graph_of_operations() -> None:
    assert not TokenCut(BackboneConfig(name="descriptor", weights=None)).is_traceable()


def test_scales_and_configurations_vote() -> None:
    images = scene(61, 90)
    alone = [TokenCut(FREE, 0.3).saliency(images), TokenCut(FREE, 0.3, scale=1.5).saliency(images)]
    other = TokenCut(BackboneConfig("descriptor", None, "token", 0), 0.2)
    both = TokenCut(FREE, 0.3, masks=MasksConfig(scales=(1.5,))).saliency(images)
    torch.testing.assert_close(both, torch.stack(alone).mean(0))
    vote = TokenCut(FREE, 0.3, masks=MasksConfig(vote=("token.0@0.2",))).saliency(images)
    torch.testing.assert_close(vote, (alone[0] + other.saliency(images)) / 2)


def test_the_cut_can_be_cleaned_up(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Tensor] = []

    def fill(cut: Cut, features: Tensor) -> Tensor:
        seen.append(features)
        return torch.ones_like(cut.component)

    monkeypatch.setattr("sod.nn.initial_masks.cleaned_component", fill)
    method = TokenCut(FREE, masks=MasksConfig(clean_up=True))
    assert method.saliency(scene(40, 48)).all()
    prepared = lanczos_resize(scene(40, 48), (40, 48))
    torch.testing.assert_close(seen[0], method.backbone(prepared)[0])


def test_heads_are_selected_for_each_image(monkeypatch: pytest.MonkeyPatch) -> None:
    def last_blocks(heads: Tensor, blocks: Tensor) -> Tensor:
        return blocks >= blocks.max() - 1

    monkeypatch.setattr("sod.nn.backbones.object_heads.object_heads", last_blocks)
    config = BackboneConfig("test_vit", None, pos_embed="timm")
    torch.manual_seed(0)
    heads = ObjectHeads(config)
    images = torch.rand(2, 3, 32, 48)
    features = heads(images)
    assert features.shape == (2, heads.channels, 2, 3)
    # By blocks: keys, queries and values of each head; what is not kept is zero in all three.
    torch.manual_seed(0)
    inner, taps = build_with_every_tap(config)
    parts = dict(zip(map(str, taps), inner(images).split(inner.widths, 1), strict=True))
    count, width = heads.inner.heads, parts["key.0"].shape[1] // heads.inner.heads
    found = features[1].view(-1, count, 3, width, 2, 3)
    kept = found.abs().sum((2, 3, 4, 5)) > 0
    assert kept.all(1).tolist() == [False] * (len(kept) - 2) + [True] * 2
    assert not kept[:-2].any()
    block, head = len(kept) - 2, count - 1
    keys = parts[f"key.{block}"][1].view(count, width, 2, 3)[head]
    torch.testing.assert_close(found[block, head, 0], F.normalize(keys, dim=0))
    with pytest.raises(SodError, match="no plain vision transformer"):
        TokenCut(FREE, masks=MasksConfig(select_heads=True))
