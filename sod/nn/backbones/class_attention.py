"""The attention of a transformer's class token: a prior of where objects are."""

import torch
from torch import Tensor

from sod.core.errors import SodError
from sod.core.precision import full_precision_region
from sod.nn.backbones.build import BackboneConfig, build_backbone
from sod.nn.backbones.vit import VisionBackbone


class ClassAttention:
    """Mean attention of the class token over the heads of a block.

    Args:
        config: The backbone; the attention is that of its ``block``.

    Raises:
        SodError: The backbone has no class token.
    """

    def __init__(self, config: BackboneConfig) -> None:
        block = config.block
        both = BackboneConfig(
            config.name, config.weights, "key", block, config.pos_embed, [f"query.{block}"]
        )
        backbone = build_backbone(both)
        if not isinstance(backbone, VisionBackbone) or backbone.prefix < 1:
            raise SodError(f"prior: 'attention' needs a class token, {config.name} has none")
        self.backbone = backbone

    @torch.no_grad()
    @full_precision_region
    def maps(self, images: Tensor) -> Tensor:
        """Return the attention, scaled to 0..1 in each image, ``[B, h, w]``.

        Args:
            images: ``[B, 3, H, W]`` in [0, 1], sides multiples of the patch size.
        """
        self.backbone.to(images.device)
        keys, queries = (self._heads(part) for part in self.backbone.tapped(images.float()))
        scores = queries[:, :, :1] @ keys.mT / keys.shape[-1] ** 0.5
        attention = scores.float().softmax(-1)[:, :, 0, self.backbone.prefix :].mean(1)
        low, high = attention.amin(1, keepdim=True), attention.amax(1, keepdim=True)
        scaled = (attention - low) / (high - low).clamp(min=1e-12)
        maps: Tensor = scaled.reshape(len(images), *self.backbone.grid(images))
        return maps

    def _heads(self, part: Tensor) -> Tensor:
        """Reshape ``[B, N, C]`` to ``[B, heads, N, d]``."""
        return part.view(*part.shape[:2], self.backbone.heads, -1).transpose(1, 2)
