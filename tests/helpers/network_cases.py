"""Small backbones, networks and an image for the tests of pyramids and decoders."""

from typing import Literal

import torch
from torch import Tensor

from sod.nn.backbones.build import BackboneConfig
from sod.nn.backbones.build_pyramid import build_pyramid
from sod.nn.decoders.heads import HeadConfig
from sod.nn.decoders.network import CascadeNetwork, NetworkConfig, Resolution

Kind = Literal["connectivity", "binary"]

CNN = BackboneConfig("resnet18", weights=None)
FREE = BackboneConfig("descriptor", weights=None)
TOKENS = BackboneConfig(
    "vit_tiny_patch16_224",
    None,
    facet="token",
    block=1,
    pos_embed="timm",
    extra_features=["token.3"],
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
    """Return a grey image ``[1, 3, H, W]`` with a bright disc, and its mask ``[1, 1, H, W]``."""
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    radius = min(height, width) / 4
    mask = (rows - 0.4 * height).square() + (columns - 0.6 * width).square() < radius**2
    image = torch.where(mask, torch.tensor(0.9), torch.tensor(0.2)).expand(1, 3, -1, -1)
    return image.contiguous(), mask[None, None]
