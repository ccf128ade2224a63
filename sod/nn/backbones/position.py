"""Interpolation of the position embeddings of vision transformers."""

import torch
import torch.nn.functional as F
from torch import Tensor


def dino_position(embedding: Tensor, trained: tuple[int, int], grid: tuple[int, int]) -> Tensor:
    """Interpolate position embeddings as DINO's published code does (arXiv 2104.14294).

    Bicubic, without antialiasing, by the scale factor of a grid that is 0.1 patches larger. The
    0.1 was meant against rounding errors but also shifts the sampling positions: the published
    numbers depend on it.

    Args:
        embedding: Prefix entries followed by one entry per patch, ``[1, P + rows * columns, C]``.
        trained: Rows and columns of the grid that the embedding was trained for.
        grid: Rows and columns of the new grid.

    Returns:
        ``[1, P + rows * columns, C]``; the embedding itself at the size it was trained for.
    """
    if grid == trained:
        return embedding
    prefix = embedding.shape[1] - trained[0] * trained[1]
    patches = embedding[:, prefix:].reshape(1, *trained, -1).permute(0, 3, 1, 2)
    factor = [(new + 0.1) / old for new, old in zip(grid, trained, strict=True)]
    patches = F.interpolate(patches.float(), scale_factor=factor, mode="bicubic")
    patches = patches.flatten(2).transpose(1, 2).to(embedding.dtype)
    return torch.cat([embedding[:, :prefix], patches], dim=1)
