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


def traced_dino_position(
    embedding: Tensor, trained: tuple[int, int], grid: tuple[int, int]
) -> Tensor:
    """Compute :func:`dino_position` by operations that a graph of any size can hold.

    PyTorch's exporter makes the scale factor of an interpolation a constant. Here it is a product
    with two matrices, whose entries are computed from the grid.

    Args:
        embedding: As in :func:`dino_position`.
        trained: As in :func:`dino_position`.
        grid: Rows and columns of the new grid; symbols while a graph is traced.
    """
    prefix = embedding.shape[1] - trained[0] * trained[1]
    patches = embedding[0, prefix:].reshape(*trained, -1).float()
    cells = [torch.arange(new, dtype=torch.float32, device=embedding.device) for new in grid]
    ends = [cell[-1] == old - 1 for cell, old in zip(cells, trained, strict=True)]
    rows, columns = (
        _cubic_matrix(torch.where(ends[0] & ends[1], cell, _source(cell, new, old)), old)
        for cell, new, old in zip(cells, grid, trained, strict=True)
    )
    patches = torch.einsum("ri,cj,ijk->rck", rows, columns, patches)
    return torch.cat([embedding[:, :prefix], patches.flatten(0, 1)[None].to(embedding)], dim=1)


def _source(cells: Tensor, new: int, old: int) -> Tensor:
    """Return where the cells of the new grid lie on the old one, half-pixel centres."""
    return (cells + 0.5) * old / (new + 0.1) - 0.5


def _cubic_matrix(positions: Tensor, old: int) -> Tensor:
    """Return the weights ``[len(positions), old]`` of PyTorch's bicubic interpolation."""
    first = positions.floor()
    entries = torch.arange(old, dtype=torch.float32, device=positions.device)
    weights = torch.zeros(1, device=positions.device)
    for tap in (-1, 0, 1, 2):
        distance = (positions - first - tap).abs()
        near = (1.25 * distance - 2.25) * distance.square() + 1
        far = ((-0.75 * distance + 3.75) * distance - 6) * distance + 3
        weight = torch.where(distance <= 1, near, far)
        chosen = (first + tap).clamp(0, old - 1)[:, None] == entries
        weights = weights + weight[:, None] * chosen
    return weights
