"""Dense features of ConViT (d'Ascoli et al., ICML 2021) on images of any size."""

import torch
from timm.layers.pos_embed import resample_abs_pos_embed
from torch import Tensor, nn

from sod.nn.backbones.base import Backbone
from sod.nn.backbones.projection import Projection, TimmModule
from sod.nn.backbones.taps import Tap


class ConvitBackbone(Backbone):
    """A ConViT, truncated after the last block that is needed.

    timm's model takes square images of one size. Here its position embedding is interpolated as
    timm does for vision transformers, and the relative positions are those of the actual grid.

    Args:
        vit: A ``ConVit`` of timm; it is modified and loses the blocks that are not needed.
        taps: The features to extract; their channels are concatenated in this order.
    """

    def __init__(self, vit: TimmModule, taps: list[Tap]) -> None:
        config = vit.pretrained_cfg
        widths = [vit.embed_dim] * len(taps)
        super().__init__(vit.patch_embed.patch_size[0], sum(widths), config["mean"], config["std"])
        self.taps, self.widths = taps, widths
        self.parts = nn.ModuleList(
            nn.Identity() if tap.facet == "token" else Projection(vit.blocks[tap.block], tap.facet)
            for tap in taps
        )
        vit.blocks = vit.blocks[: max(tap.depth for tap in taps)]
        vit.norm = vit.head = nn.Identity()
        vit.patch_embed.strict_img_size = False
        self.vit = vit
        self.freeze()

    def forward(self, images: Tensor) -> Tensor:
        """Map images ``[B, 3, H, W]`` in [0, 1] to features ``[B, channels, H/p, W/p]``."""
        grid = self.grid(images)
        tokens = self._embed(self.normalise(images), grid)
        count = tokens.shape[1]
        features: dict[int, Tensor] = {}
        for depth in range(len(self.vit.blocks) + 1):
            if depth > 0:
                tokens = self._block(depth - 1, tokens, grid)
            for number, (tap, part) in enumerate(zip(self.taps, self.parts, strict=True)):
                if tap.depth == depth:
                    features[number] = part(tokens)[:, -count:]  # without the class token
        joined = torch.cat([features[number] for number in range(len(self.taps))], dim=2)
        return joined.transpose(1, 2).reshape(images.shape[0], self.channels, *grid)

    def _embed(self, images: Tensor, grid: tuple[int, int]) -> Tensor:
        tokens: Tensor = self.vit.patch_embed(images)
        if self.vit.use_pos_embed:
            trained = self.vit.patch_embed.grid_size
            position = resample_abs_pos_embed(
                self.vit.pos_embed, list(grid), list(trained), num_prefix_tokens=0
            )
            tokens = tokens + position
        return tokens

    def _block(self, index: int, tokens: Tensor, grid: tuple[int, int]) -> Tensor:
        block = self.vit.blocks[index]
        if index == self.vit.local_up_to_layer:
            tokens = torch.cat([self.vit.cls_token.expand(tokens.shape[0], -1, -1), tokens], dim=1)
        if block.use_gpsa:
            block.attn.rel_indices = relative_positions(grid).to(tokens)
        result: Tensor = block(tokens)
        return result


def relative_positions(grid: tuple[int, int]) -> Tensor:
    """Return column offset, row offset and squared distance of each pair of tokens.

    Args:
        grid: Rows and columns of tokens.

    Returns:
        ``[1, N, N, 3]``, of the second token (dimension 2) from the first.
    """
    rows, columns = torch.meshgrid(torch.arange(grid[0]), torch.arange(grid[1]), indexing="ij")
    across = columns.flatten()[None] - columns.flatten()[:, None]
    down = rows.flatten()[None] - rows.flatten()[:, None]
    return torch.stack([across, down, across**2 + down**2], dim=2)[None].float()
