"""Training steps of the cascade network with either head, on any backbone."""

import pytest
import torch
from helpers.network_cases import CNN, FREE, TOKENS, Kind, disc, small_network

from sod.nn.backbones.build import BackboneConfig
from sod.nn.backbones.build_pyramid import build_pyramid
from sod.nn.decoders.heads import HeadConfig
from sod.nn.decoders.network import CascadeNetwork, NetworkConfig, Resolution, build_network
from sod.refinement import mask_iou


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
        predicted = network.eval().saliency(image) > 0.5
    assert mask_iou(predicted, mask) > 0.8


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
