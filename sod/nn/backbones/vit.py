"""Dense features of timm's vision transformers."""

from collections.abc import Iterable
from typing import Literal

import torch
import torch.nn.functional as F
from timm.layers.attention import Attention, AttentionRope
from timm.models.eva import Eva, EvaAttention, EvaBlock
from timm.models.vision_transformer import Block, VisionTransformer
from torch import Tensor, nn

from sod.core.errors import SodError
from sod.core.files import state_checksum
from sod.nn.backbones.base import Backbone
from sod.nn.backbones.position import dino_position, traced_dino_position
from sod.nn.backbones.projection import Projection, TimmModule
from sod.nn.backbones.taps import Tap

PositionMode = Literal["dino", "timm"]
CACHED_GRIDS = 32


class VisionBackbone(Backbone):
    """A timm vision transformer, truncated after the last block that is needed.

    Args:
        vit: A ``VisionTransformer`` or ``Eva`` of timm with ``dynamic_img_size``; it is modified
            and loses the blocks that are not needed.
        taps: The features to extract; their channels are concatenated in this order.
        pos_embed: Interpolation of the position embeddings, as in DINO's code or as in timm.
        name: Name of the model, for error messages.

    Attributes:
        caches: Whether the features of the last images are kept.

    Raises:
        SodError: If the model is not a plain pre-norm transformer, or if its position embedding
            does not support ``pos_embed``.
    """

    def __init__(
        self, vit: TimmModule, taps: list[Tap], pos_embed: PositionMode, name: str
    ) -> None:
        _check(vit, pos_embed, name)
        parts = [
            nn.Identity() if tap.facet == "token" else Projection(vit.blocks[tap.block], tap.facet)
            for tap in taps
        ]
        widths = [
            p.linear.out_features if isinstance(p, Projection) else vit.embed_dim for p in parts
        ]
        config = vit.pretrained_cfg
        super().__init__(vit.patch_embed.patch_size[0], sum(widths), config["mean"], config["std"])
        self.taps = taps
        self.widths = widths
        self.parts = nn.ModuleList(parts)
        self.pos_embed = pos_embed
        vit.blocks = vit.blocks[: max(tap.depth for tap in taps)]
        # The layers after the blocks are never run; without them checkpoints are smaller.
        vit.norm = vit.fc_norm = vit.head = nn.Identity()
        vit.attn_pool = None
        self.vit = vit
        self._positions: dict[tuple[object, ...], Tensor] = {}
        self.caches = False
        self.concurrent = not isinstance(vit, Eva)  # they may keep rotations of the last size
        self._last: tuple[Tensor, Tensor] | None = None
        self.freeze()

    def forward(self, images: Tensor) -> Tensor:
        """Map images ``[B, 3, H, W]`` in [0, 1] to features ``[B, channels, H/p, W/p]``.

        If ``caches`` is set, images equal to those of the last call return the kept features:
        several heads that share the backbone use the same images in turn.
        """
        if self.caches and self._last is not None and _same(self._last[0], images):
            return self._last[1]
        rows, columns = self.grid(images)
        tokens = torch.cat([part[:, self.prefix :] for part in self.tapped(images)], dim=2)
        features = tokens.transpose(1, 2).reshape(images.shape[0], self.channels, rows, columns)
        if self.caches:
            self._last = images.clone(), features
        return features

    @property
    def prefix(self) -> int:
        """Number of tokens before those of the patches, the first being the class token."""
        return int(self.vit.num_prefix_tokens)

    @property
    def heads(self) -> int:
        """Number of heads of the attention."""
        return int(self.vit.blocks[0].attn.num_heads)

    def tapped(self, images: Tensor) -> list[Tensor]:
        """Return the features of each tap for all tokens, ``[B, prefix + N, C]``.

        Args:
            images: As in :meth:`forward`.
        """
        tokens, rotation = self._embed(self.normalise(images))
        features: dict[int, Tensor] = {}
        for depth in range(len(self.vit.blocks) + 1):
            if depth > 0:
                tokens = self.vit.blocks[depth - 1](tokens, **rotation)
            for number, (tap, part) in enumerate(zip(self.taps, self.parts, strict=True)):
                if tap.depth == depth:
                    features[number] = part(tokens)
        return [features[number] for number in range(len(self.taps))]

    def _embed(self, images: Tensor) -> tuple[Tensor, dict[str, Tensor | None]]:
        """Return the input of the first block and the keyword arguments of every block."""
        rotation: dict[str, Tensor | None] = {}
        patches = self.vit.patch_embed(images)
        if isinstance(self.vit, Eva):
            tokens, rotation["rope"] = self.vit._pos_embed(patches)
        elif self.pos_embed == "dino" and self.vit.pos_embed is not None:
            tokens = self._dino_embed(patches)
        else:
            tokens = self.vit._pos_embed(patches)
        return self.vit.norm_pre(tokens), rotation

    def _dino_embed(self, patches: Tensor) -> Tensor:
        """Prepend the extra tokens to patches ``[B, h, w, C]`` and add the position embedding."""
        position = self._position((patches.shape[1], patches.shape[2]))
        extra = [token for token in (self.vit.cls_token, self.vit.reg_token) if token is not None]
        extra = [token.expand(patches.shape[0], -1, -1) for token in extra]
        tokens = torch.cat([*extra, patches.flatten(1, 2)], dim=1)
        # Some models embed the positions of patches only.
        return tokens + F.pad(position, (0, 0, tokens.shape[1] - position.shape[1], 0))

    def _position(self, grid: tuple[int, int]) -> Tensor:
        """Return the interpolated position embedding of a grid, cached by grid size."""
        embedding = self.vit.pos_embed
        if torch.compiler.is_exporting():  # the grid may be symbols
            return traced_dino_position(embedding, self.vit.patch_embed.grid_size, grid)
        key = (grid, embedding.device, embedding.dtype, embedding._version)
        kept = self._positions.get(key)
        if kept is None:
            if len(self._positions) >= CACHED_GRIDS:
                self._positions.clear()
            with torch.inference_mode(False), torch.no_grad():
                trained = self.vit.patch_embed.grid_size
                self._positions[key] = kept = dino_position(embedding, trained, grid)
        return kept


def share_backbones(models: Iterable[nn.Module]) -> None:
    """Make models with equal frozen backbones share one that keeps its last features.

    Args:
        models: The models whose backbones are replaced, in place.
    """
    distinct: dict[str, VisionBackbone] = {}
    for model in models:
        for parent in list(model.modules()):
            for name, child in list(parent.named_children()):
                if isinstance(child, VisionBackbone):
                    key = f"{child.taps} {child.pos_embed}{state_checksum(child.state_dict())}"
                    shared = distinct.setdefault(key, child)
                    shared.caches = True
                    setattr(parent, name, shared)


def _same(left: Tensor, right: Tensor) -> bool:
    """Return whether shapes, types, devices and values are equal."""
    comparable = (
        left.shape == right.shape and left.dtype == right.dtype and left.device == right.device
    )
    return comparable and torch.equal(left, right)


def _check(vit: TimmModule, pos_embed: PositionMode, name: str) -> None:
    """Raise an error for models whose features would not be those of the settings."""
    plain = isinstance(vit, VisionTransformer | Eva) and all(
        isinstance(block, Block | EvaBlock)
        and isinstance(block.attn, Attention | AttentionRope | EvaAttention)
        for block in vit.blocks
    )
    if not plain or getattr(vit, "rope_mixed", False):
        raise SodError(
            f"{name}: not a plain pre-norm vision transformer; supported are timm's "
            "VisionTransformer (DINO, DINOv2, DeiT, MAE, CLIP, ...) and Eva (DINOv3, EVA-02, ...)"
        )
    embedded = vit.pos_embed is not None
    if pos_embed == "dino" and embedded and (isinstance(vit, Eva) or hasattr(vit, "dist_token")):
        raise SodError(f"{name}: only backbone.pos_embed 'timm' is supported for this model")
