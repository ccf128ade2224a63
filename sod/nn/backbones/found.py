"""Background detection of FOUND (Siméoni et al., CVPR 2023, section 3.1).

The patch that receives the least attention is background, and so are all patches similar to it.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from sod.core.errors import SodError
from sod.core.precision import full_precision_region
from sod.nn.backbones.build import BackboneConfig, build_backbone
from sod.nn.backbones.vit import VisionBackbone

EPS = 1e-10


def found_background(keys: Tensor, attention: Tensor, tau: float = 0.3) -> Tensor:
    """Return the patches that are similar to the one that receives the least attention.

    Heads are weighted by ``log(sum of shares / share)``, where the share of a head is the part of
    its patches above the image's mean attention. Heads that attend to many patches weigh less.

    Args:
        keys: Keys of the patches, ``[B, heads, N, d]``.
        attention: Attention of the class token to the patches, ``[B, heads, N]``.
        tau: Threshold; patches whose cosine similarity to the seed is above it are background.

    Returns:
        Bool ``[B, N]``, true for background.
    """
    mean = attention.mean((1, 2), keepdim=True)
    counts = (attention > mean).float().mean(2)
    weights = torch.log(counts.sum(1, keepdim=True) / (counts + EPS))
    seeds = (weights[..., None] * attention).sum(1).argmin(1)
    weighted = (keys * weights[..., None, None]).transpose(1, 2).flatten(2)
    unit = F.normalize(weighted, dim=2)
    seed_keys = unit[torch.arange(len(unit), device=unit.device), seeds]
    return torch.einsum("bnc,bc->bn", unit, seed_keys) > tau


class FoundBackground:
    """FOUND's background detection, with a backbone of its own for keys and queries.

    Args:
        config: The backbone; attention and keys are taken from its ``block``.

    Raises:
        SodError: If the backbone has no attention or no class token.
    """

    def __init__(self, config: BackboneConfig) -> None:
        block = config.block
        with_queries = BackboneConfig(
            config.name, config.weights, "key", block, config.pos_embed, [f"query.{block}"]
        )
        backbone = build_backbone(with_queries)
        if not isinstance(backbone, VisionBackbone) or backbone.prefix < 1:
            raise SodError(
                f"initial_targets.kind: 'found' needs a class token, {config.name} has none"
            )
        self.backbone = backbone

    @torch.no_grad()
    @full_precision_region
    def masks(self, images: Tensor, tau: float = 0.3) -> Tensor:
        """Return the foreground, all that is not background, bool ``[B, 1, h, w]``.

        Args:
            images: ``[B, 3, H, W]`` in [0, 1], sides multiples of the patch size.
            tau: See :func:`found_background`.
        """
        self.backbone.to(images.device)
        keys, queries = (self._heads(part) for part in self.backbone.tapped(images.float()))
        scores = queries[:, :, :1] @ keys.transpose(2, 3) / keys.shape[-1] ** 0.5
        attention = scores.float().softmax(-1)[:, :, 0]
        prefix = self.backbone.prefix
        background = found_background(keys[:, :, prefix:], attention[..., prefix:], tau)
        return ~background.view(len(images), 1, *self.backbone.grid(images))

    def _heads(self, part: Tensor) -> Tensor:
        """Reshape ``[B, N, C]`` to ``[B, heads, N, d]``."""
        return part.view(*part.shape[:2], self.backbone.heads, -1).transpose(1, 2)
