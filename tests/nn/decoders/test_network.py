"""The cascade network: sizes, resolutions and options."""

import pytest
import torch
import torch.nn.functional as F
from helpers.network_cases import CNN, FREE, TOKENS, disc, small_network
from torch import Tensor

from sod.core.errors import SodError
from sod.nn.backbones.build_pyramid import build_pyramid
from sod.nn.backbones.pyramid import Pyramid
from sod.nn.decoders.heads import HeadConfig
from sod.nn.decoders.network import (
    CascadeNetwork,
    NetworkConfig,
    Resolution,
    build_network,
    to_grid,
)
from sod.nn.resize import pad_to_multiple


def test_cells_are_averaged_with_repeated_borders() -> None:
    images = torch.arange(6.0).view(1, 1, 2, 3)
    assert to_grid(images, 2).flatten().tolist() == [2, 3.5]


@pytest.mark.parametrize("resolution", ["image", "grid"])
def test_a_large_image(resolution: Resolution) -> None:
    network = small_network(FREE, resolution=resolution).eval()
    with torch.no_grad():
        assert network.saliency(torch.rand(1, 3, 1024, 768)).shape == (1, 1, 1024, 768)


def test_deep_supervision_adds_the_coarser_levels_while_training() -> None:
    network = small_network(TOKENS, deep_supervision=True)
    image, mask = disc(40, 56)
    logits = network(image)
    assert [tuple(maps.shape) for maps in logits] == [(1, 8, 40, 56)] * 4
    losses = network.losses(logits, mask)
    levels = [network.head.losses(maps, mask)["loss"].item() for maps in logits]
    expected = levels[0] + 0.8 * levels[1] + 0.6 * levels[2] + 0.4 * levels[3]
    assert losses["loss"].item() == pytest.approx(expected)
    assert set(losses) >= {"decoupled", "connectivity", "voted", "side1", "side2", "side3"}
    assert losses["side2"].item() == pytest.approx(levels[2])
    assert len(network.eval()(image)) == 1


def test_on_the_grid_masks_and_weights_are_averaged_before_the_cube() -> None:
    network = small_network(FREE, resolution="grid")
    image, mask = disc(50, 66)
    weights = torch.rand(1, 1, 50, 66)
    (logits,) = network(image)
    stride = network.pyramid.strides[0]
    assert logits.shape[-2:] == (-(-50 // stride), -(-66 // stride))
    padded = F.pad(torch.cat([mask, weights]), (0, -66 % stride, 0, -50 % stride), mode="replicate")
    cells, cell_weights = F.avg_pool2d(padded, stride).split(1)
    expected = network.head.losses(logits, cells > 0.5, cell_weights)
    losses = network.losses([logits], mask, weights)
    assert losses["loss"].item() == pytest.approx(expected["loss"].item())


def test_padding_does_not_change_the_saliency() -> None:
    network = small_network(CNN).eval()
    image = torch.rand(1, 3, 40, 50)
    with torch.no_grad():
        padded = network.saliency(pad_to_multiple(image, 32))
        saliency = network.saliency(image)
    assert saliency.shape == (1, 1, 40, 50)
    # Only the votes of the last row and column depend on where the image ends.
    torch.testing.assert_close(saliency[..., :39, :49], padded[..., :39, :49])


def test_any_pyramid_can_be_used() -> None:
    class Means(Pyramid):
        def forward(self, images: Tensor) -> list[Tensor]:
            return [F.avg_pool2d(images, stride) for stride in self.strides]

    network = CascadeNetwork(Means((3, 3), (5, 15)), config=NetworkConfig(width=8)).eval()
    assert network.pyramid.multiple == 15
    images = torch.rand(1, 3, 31, 44)
    with torch.no_grad():
        saliency = network.saliency(images)
        # 31 x 44 pixels are padded to 45 x 45, and 7 x 9 cells of 5 pixels lie in the image.
        padded = F.pad(images, (0, 1, 0, 14), mode="replicate")
        decoded = network.cascade([F.avg_pool2d(padded, stride) for stride in (5, 15)])[0]
        cells = network.head.saliency(network.head(decoded)[..., :7, :9])
    expected = F.interpolate(cells, (35, 45), mode="bilinear")[..., :31, :44]
    torch.testing.assert_close(saliency, expected)


@pytest.mark.parametrize(("finest", "strides"), [(4, (4, 8, 16)), (8, (8, 16)), (16, (16,))])
def test_the_finest_level_is_an_option(finest: int, strides: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    network = build_network(
        TOKENS, NetworkConfig(width=16, finest=finest, merge=True, layers=1), HeadConfig()
    )
    assert network.pyramid.strides == strides
    assert network.pyramid.channels == (16,) * (len(strides) - 1) + (384,)
    image = torch.rand(1, 3, 40, 50)
    network.losses(network(image), torch.ones(1, 1, 40, 50))["loss"].backward()
    for name, parameter in network.named_parameters():
        assert (parameter.grad is None) != parameter.requires_grad, name
    assert network.eval().saliency(image).shape == (1, 1, 40, 50)


def test_soft_targets_are_the_shares_of_salient_pixels() -> None:
    torch.manual_seed(0)
    mask = (torch.rand(1, 1, 32, 48) > 0.3).float()
    for soft in (True, False):
        config = NetworkConfig(decoder="linear", soft=soft)
        network = CascadeNetwork(build_pyramid(FREE, stem=False), HeadConfig("binary"), config)
        (logits,) = network(torch.rand(1, 3, 32, 48))
        cells = to_grid(mask, 8)
        cells = cells if soft else (cells > 0.5).float()
        expected = F.binary_cross_entropy_with_logits(logits, cells)
        torch.testing.assert_close(network.losses([logits], mask)["loss"], expected)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dropout": 1.0}, r"network.dropout: 1.0 is not in \[0, 1\)"),
        ({"layers": -1}, "network.layers: -1 is below 0"),
        ({"finest": 6}, "network.finest: 6 is none of 4, 8, 16"),
    ],
)
def test_invalid_options_are_named(options: dict[str, float], message: str) -> None:
    with pytest.raises(SodError, match=message):
        build_network(FREE, NetworkConfig(**options), HeadConfig())  # type: ignore[arg-type]
