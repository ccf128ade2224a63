from pathlib import Path
from typing import Literal

import pytest
import timm
import torch
import torch.nn.functional as F
from torch import Tensor

from sod.core.errors import SodError
from sod.nn.backbones.build import BackboneConfig, build_backbone
from sod.nn.backbones.pyramid import Pyramid, TokenPyramid, build_pyramid
from sod.nn.connectivity.cube import cube_from_masks, saliency_from_logits
from sod.nn.connectivity.losses import ConnectivityWeights
from sod.nn.decoders.cascade import Cascade
from sod.nn.decoders.heads import BinaryHead, ConnectivityHead, Head, HeadConfig, build_head
from sod.nn.decoders.network import (
    SHARES,
    CascadeNetwork,
    NetworkConfig,
    Resolution,
    build_network,
    to_grid,
)
from sod.nn.layers import pad_to_multiple

Kind = Literal["connectivity", "binary"]

CNN = BackboneConfig("resnet18", weights=None)
FREE = BackboneConfig("descriptor", weights=None)
TOKENS = BackboneConfig(
    "vit_tiny_patch16_224", None, facet="token", block=1, pos_embed="timm", more=["token.3"]
)


def small_network(
    backbone: BackboneConfig = FREE,
    kind: Kind = "connectivity",
    deep_supervision: bool = False,
    resolution: Resolution = "image",
) -> CascadeNetwork:
    torch.manual_seed(0)
    pyramid = build_pyramid(backbone, width=16)
    config = NetworkConfig(width=16, deep_supervision=deep_supervision, resolution=resolution)
    return CascadeNetwork(pyramid, HeadConfig(kind), config)


def disc(height: int, width: int) -> tuple[Tensor, Tensor]:
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    radius = min(height, width) / 4
    mask = (rows - 0.4 * height).square() + (columns - 0.6 * width).square() < radius**2
    image = torch.where(mask, torch.tensor(0.9), torch.tensor(0.2)).expand(1, 3, -1, -1)
    return image.contiguous(), mask[None, None]


def test_context_flows_from_coarse_to_fine_only() -> None:
    cascade = Cascade([3, 5, 7], width=8)
    features = [torch.randn(1, 3, 9, 7), torch.randn(1, 5, 5, 4), torch.randn(1, 7, 5, 4)]
    for maps in features:
        maps.requires_grad_()
    decoded = cascade(features)
    assert [tuple(maps.shape) for maps in decoded] == [(1, 8, 9, 7), (1, 8, 5, 4), (1, 8, 5, 4)]
    decoded[1].sum().backward()
    assert features[0].grad is None
    decoded = cascade(features)
    decoded[0].square().sum().backward()
    for maps in features:
        assert maps.grad is not None
        assert maps.grad.abs().sum() > 0


def test_padding_repeats_the_last_row_and_column() -> None:
    images = torch.arange(6.0).view(1, 1, 2, 3)
    padded = pad_to_multiple(images, 4)[0, 0]
    assert padded.tolist() == [[0, 1, 2, 2], [3, 4, 5, 5], [3, 4, 5, 5], [3, 4, 5, 5]]
    assert pad_to_multiple(images[..., :2], 2).shape == (1, 1, 2, 2)
    assert to_grid(images, 2).flatten().tolist() == [2, 3.5]


@pytest.mark.parametrize("size", [(32, 32), (33, 47), (65, 31)])
@pytest.mark.parametrize("kind", ["connectivity", "binary"])
@pytest.mark.parametrize("resolution", ["image", "grid"])
@pytest.mark.parametrize("backbone", [CNN, FREE, TOKENS], ids=lambda config: config.name)
def test_one_image_of_any_size_trains_every_weight(
    size: tuple[int, int], kind: Kind, resolution: Resolution, backbone: BackboneConfig
) -> None:
    network = small_network(backbone, kind, deep_supervision=True, resolution=resolution)
    torch.nn.init.normal_(network.cascade.relation.output.weight)
    image, mask = disc(*size)
    losses = network.losses(network(image), mask)
    losses["loss"].backward()
    for name, parameter in network.named_parameters():
        assert (parameter.grad is None) != parameter.requires_grad, name
        assert parameter.grad is None or torch.isfinite(parameter.grad).all(), name
    with torch.no_grad():
        saliency = network.eval().saliency(image)
    assert saliency.shape == (1, 1, *size)
    assert saliency.min() >= 0
    assert saliency.max() <= 1


@pytest.mark.parametrize("resolution", ["image", "grid"])
def test_a_large_image(resolution: Resolution) -> None:
    network = small_network(FREE, resolution=resolution).eval()
    with torch.no_grad():
        assert network.saliency(torch.rand(1, 3, 1024, 768)).shape == (1, 1, 1024, 768)


@pytest.mark.parametrize("kind", ["connectivity", "binary"])
@pytest.mark.parametrize("resolution", ["image", "grid"])
def test_a_disc_is_learned_with_either_head(kind: Kind, resolution: Resolution) -> None:
    torch.manual_seed(0)
    config = NetworkConfig(width=16, resolution=resolution)
    network = CascadeNetwork(build_pyramid(FREE, width=16), HeadConfig(kind, "max"), config)
    image, mask = disc(50, 66)
    optimiser = torch.optim.Adam([p for p in network.parameters() if p.requires_grad], lr=0.01)
    for _ in range(40):
        optimiser.zero_grad()
        network.losses(network(image), mask)["loss"].backward()
        optimiser.step()
    with torch.no_grad():
        found = network.eval().saliency(image) > 0.5
    assert (found & mask).sum() / (found | mask).sum() > 0.8


def test_deep_supervision_adds_the_coarser_levels_while_training() -> None:
    network = small_network(TOKENS, deep_supervision=True)
    image, mask = disc(40, 56)
    logits = network(image)
    assert [tuple(maps.shape) for maps in logits] == [(1, 8, 40, 56)] * 4
    losses = network.losses(logits, mask)
    levels = [network.head.losses(maps, mask)["loss"].item() for maps in logits]
    expected = sum(share * loss for share, loss in zip(SHARES, levels, strict=True))
    assert losses["loss"].item() == pytest.approx(expected)
    assert set(losses) >= {"decoupled", "connectivity", "voted", "side1", "side2", "side3"}
    assert losses["side2"].item() == pytest.approx(levels[2])
    assert len(network.eval()(image)) == 1


def test_on_the_grid_masks_and_trust_are_averaged_before_the_cube() -> None:
    network = small_network(FREE, resolution="grid")
    image, mask = disc(50, 66)
    trust = torch.rand(1, 1, 50, 66)
    (logits,) = network(image)
    stride = network.pyramid.strides[0]
    assert logits.shape[-2:] == (-(-50 // stride), -(-66 // stride))
    cells = F.pad(mask.float(), (0, -66 % stride, 0, -50 % stride), mode="replicate")
    cells = F.avg_pool2d(cells, stride) > 0.5
    weights = F.pad(trust, (0, -66 % stride, 0, -50 % stride), mode="replicate")
    expected = network.head.losses(logits, cells, F.avg_pool2d(weights, stride))
    losses = network.losses([logits], mask, trust)
    assert losses["loss"].item() == pytest.approx(expected["loss"].item())


def test_padding_never_shows() -> None:
    network = small_network(CNN).eval()
    image = torch.rand(1, 3, 40, 50)
    with torch.no_grad():
        padded = network.saliency(pad_to_multiple(image, 32))
        saliency = network.saliency(image)
    assert saliency.shape == (1, 1, 40, 50)
    # Inside, only the votes of the last row and column know where the image ends.
    torch.testing.assert_close(saliency[..., :39, :49], padded[..., :39, :49])


@pytest.mark.parametrize("kind", ["connectivity", "binary"])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("backbone", [CNN, TOKENS], ids=lambda config: config.name)
def test_training_in_half_precision_is_finite(
    kind: Kind, dtype: torch.dtype, backbone: BackboneConfig
) -> None:
    torch.manual_seed(0)
    config = NetworkConfig(width=16, layers=1, deep_supervision=True, resolution="image")
    network = build_network(backbone, config, HeadConfig(kind))
    image, mask = disc(64, 48)
    with torch.autocast("cpu", dtype=dtype):
        losses = network.losses(network(image), mask)
    losses["loss"].backward()
    assert losses["loss"].dtype == torch.float32
    grads = [p.grad for p in network.parameters() if p.grad is not None]
    assert all(torch.isfinite(grad).all() for grad in grads)


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
    for level, wanted in zip(levels, expected, strict=True):
        torch.testing.assert_close(level, wanted)


@pytest.mark.parametrize("trainable", [True, False])
@pytest.mark.parametrize("freeze_norm", [True, False])
def test_what_is_frozen_stays(trainable: bool, freeze_norm: bool) -> None:
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


def test_real_weights_carry_an_object(shared: Path) -> None:
    weights = str(shared / "weights" / "vit_tiny_patch16_224.safetensors")
    config = BackboneConfig(
        "vit_tiny_patch16_224", weights, facet="token", block=3, pos_embed="timm", more=["token.6"]
    )
    pyramid = build_pyramid(config, width=8)
    image, mask = disc(160, 160)
    tokens = pyramid(image)[-1].flatten(2)[0].T
    inside = to_grid(mask, 16).flatten() > 0.5
    similar = F.normalize(tokens, dim=1) @ F.normalize(tokens[inside].mean(0), dim=0)
    assert similar[inside].mean() > similar[~inside].mean() + 0.1


def test_levels_have_to_divide_the_channels() -> None:
    backbone = build_backbone(TOKENS)
    with pytest.raises(SodError, match=r"backbone.more: 384 channels are not 5 features"):
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


def test_the_binary_head_is_a_linear_map_of_385_numbers() -> None:
    head = BinaryHead(384)
    assert sum(parameter.numel() for parameter in head.parameters()) == 385
    features = torch.randn(2, 384, 3, 5)
    expected = torch.einsum("bchw,c->bhw", features, head.predict.weight.flatten())
    logits = head(features)
    torch.testing.assert_close(logits[:, 0], expected + head.predict.bias, rtol=1e-4, atol=1e-5)
    assert torch.equal(head.saliency(logits), logits.sigmoid())


def test_heads_are_interchangeable() -> None:
    features, masks = torch.randn(2, 8, 6, 7), torch.rand(2, 1, 6, 7) > 0.5
    heads: list[Head] = [
        build_head(HeadConfig("binary", weights=ConnectivityWeights(dice=0.5, iou=2.0)), 8),
        build_head(HeadConfig("connectivity", "max", (1, 2)), 8),
    ]
    for head, outputs in zip(heads, (1, 16), strict=True):
        logits = head(features)
        assert logits.shape == (2, outputs, 6, 7)
        assert head.saliency(logits).shape == masks.shape
        assert head.losses(logits, masks)["loss"].requires_grad
    losses = heads[0].losses(heads[0](features), masks)
    total = losses["binary"] + 0.5 * losses["dice"] + 2 * losses["iou"]
    assert losses["loss"].item() == pytest.approx(total.item())
    logits = heads[1](features)
    assert torch.equal(heads[1].saliency(logits), saliency_from_logits(logits, "max", (1, 2)))


def test_a_perfect_cube_gives_the_mask() -> None:
    _, mask = disc(24, 30)
    logits = 40 * (2 * cube_from_masks(mask) - 1)
    head = ConnectivityHead(4, aggregation="max")
    torch.testing.assert_close(head.saliency(logits), mask.float())
    assert head.losses(logits, mask)["loss"] < 1e-6


def test_an_unknown_head_is_named() -> None:
    config = HeadConfig()
    config.kind = "binery"  # type: ignore[assignment]  # what a config file may hold
    with pytest.raises(SodError, match="Did you mean 'binary'"):
        build_head(config, 8)


def test_a_pyramid_of_ones_own_plugs_in() -> None:
    class Means(Pyramid):
        def forward(self, images: Tensor) -> list[Tensor]:
            return [F.avg_pool2d(images, stride) for stride in self.strides]

    network = CascadeNetwork(Means((3, 3), (5, 15)), config=NetworkConfig(width=8))
    assert network.pyramid.multiple == 15
    assert network.saliency(torch.rand(1, 3, 31, 44)).shape == (1, 1, 31, 44)
