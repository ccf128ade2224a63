"""A backbone whose features are those of the attention heads that see objects."""

import torch
from torch import Tensor

from sod.core.errors import SodError
from sod.nn.backbones.base import Backbone
from sod.nn.backbones.build import BackboneConfig, build_with_every_tap
from sod.nn.backbones.vit import VisionBackbone
from sod.nn.head_selection import joined, object_heads

FACETS = ("key", "query", "value")


class ObjectHeads(Backbone):
    """Queries, keys and values of the heads that are chosen for each image.

    The cosine of two features is the mean of the cosines of the chosen heads, see
    :func:`sod.nn.head_selection.object_heads`.

    Args:
        config: The backbone, a plain vision transformer; its feature has no effect.

    Raises:
        SodError: The model has no heads in every block.
    """

    def __init__(self, config: BackboneConfig) -> None:
        inner, taps = build_with_every_tap(config)
        if not isinstance(inner, VisionBackbone):
            raise SodError(f"masks.select_heads: {config.name} is no plain vision transformer")
        mean, std = inner.mean.tolist(), inner.std.tolist()
        kept = [number for number, tap in enumerate(taps) if tap.facet in FACETS]
        super().__init__(inner.patch_size, sum(inner.widths[number] for number in kept), mean, std)
        self.inner, self.kept = inner, kept
        self.blocks = torch.tensor([taps[number].block for number in kept[::3]])

    def forward(self, images: Tensor) -> Tensor:
        """Map images ``[B, 3, H, W]`` in [0, 1] to features ``[B, channels, H/p, W/p]``.

        The channels of heads that are not chosen are zero.
        """
        features = self.inner(images)
        parts = features.split(self.inner.widths, 1)
        chosen = [self._chosen(torch.stack([parts[n][row] for n in self.kept]))
                  for row in range(len(images))]  # fmt: skip
        return torch.stack(chosen)

    def _chosen(self, facets: Tensor) -> Tensor:
        """Return the features of one image from its queries, keys and values.

        Args:
            facets: Key, query and value of each block in turn, ``[3 * blocks, C, h, w]``.
        """
        grid = facets.shape[2:]
        count = self.inner.heads
        heads = facets.flatten(2).view(len(self.blocks), 3, count, -1, grid.numel())
        heads = heads.permute(0, 2, 1, 4, 3).flatten(0, 1)  # heads, facets, tokens, channels
        kept = object_heads(heads, self.blocks.repeat_interleave(count))
        zeroed = heads * kept.to(heads.device)[:, None, None, None]
        return joined(zeroed).T.reshape(-1, *grid)
