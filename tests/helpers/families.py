"""Small models of every family of backbones, with random weights."""

from typing import Any

import pytest
import timm
import torch
from timm.models.focalnet import FocalNet

from helpers.vit_cases import Model

SMALL = {"depth": 3, "embed_dim": 48, "num_heads": 3}
PYRAMID = {"depths": (1, 1, 2, 1)}
PLAIN: dict[str, dict[str, Any]] = {
    "vit_small_patch16_224.dino": SMALL,
    "vit_small_patch14_dinov2.lvd142m": SMALL,
    "vit_small_patch14_reg4_dinov2.lvd142m": SMALL,
    "vit_small_patch16_dinov3.lvd1689m": SMALL,
    "vit_small_patch16_dinov3_qkvb.lvd1689m": SMALL,
    "vit_base_patch16_224.mae": SMALL,
    "vit_base_patch16_clip_quickgelu_224.openai": SMALL,
    "vit_base_patch16_siglip_224.webli": SMALL,
    "vit_tiny_patch16_224.augreg_in21k": SMALL,
    "deit_tiny_distilled_patch16_224": SMALL,
    "eva02_tiny_patch14_224.mim_in22k": SMALL,
    "convit_tiny.fb_in1k": {"depth": 4, "embed_dim": 12, "num_heads": 4, "local_up_to_layer": 2},
}
"""Models with one grid of tokens, and the arguments that make them small."""
STAGED: dict[str, dict[str, Any]] = {
    "convnext_tiny.dinov3_lvd1689m": {**PYRAMID, "dims": (8, 12, 16, 24)},
    "resnet18.a1_in1k": {"layers": (1, 1, 2, 1)},
    "swin_tiny_patch4_window7_224.ms_in1k": {
        **PYRAMID,
        "embed_dim": 8,
        "num_heads": (1, 2, 2, 4),
    },
    "focalnet_tiny_srf.ms_in1k": {**PYRAMID, "embed_dim": 8, "focal_windows": (3, 3, 3, 3)},
    "halonet26t.a1h_in1k": {},
}
"""Models with stages of falling resolution."""


def small_models(monkeypatch: pytest.MonkeyPatch) -> None:
    """Build each model small, always with the same random weights."""
    plain = timm.create_model

    def create(name: str, **options: Model) -> Model:
        torch.manual_seed(0)
        options |= {**PLAIN, **STAGED}[name]
        if not name.startswith("focalnet"):
            return plain(name, **options).eval()
        model = FocalNet(**options).eval()  # timm's own function takes no sizes
        model.pretrained_cfg = timm.get_pretrained_cfg(name).to_dict()
        return model

    monkeypatch.setattr(timm, "create_model", create)
