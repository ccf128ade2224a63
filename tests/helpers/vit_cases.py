"""A tiny vision transformer with random weights."""

from typing import Any, TypeAlias

import torch
from timm.models.vision_transformer import VisionTransformer
from torch import nn

Model: TypeAlias = Any
Options: TypeAlias = Any

TINY = {"img_size": 32, "patch_size": 8, "embed_dim": 24, "depth": 3, "num_heads": 3}
STATISTICS = {"mean": (0.5, 0.4, 0.3), "std": (0.2, 0.25, 0.3)}


def tiny_vit(kind: type[nn.Module] = VisionTransformer, **options: Options) -> Model:
    torch.manual_seed(0)
    vit = kind(**TINY, num_classes=0, dynamic_img_size=True, **options).eval()
    for parameter in vit.parameters():  # zero tokens and biases would hide errors
        nn.init.normal_(parameter, std=0.3)
    vit.pretrained_cfg = STATISTICS
    return vit
