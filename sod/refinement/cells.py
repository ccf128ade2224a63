"""Cells of the bilateral grid: integer coordinates of pixels, and the occupied vertices."""

from dataclasses import dataclass

import torch
from torch import Tensor

from sod.refinement.numbering import Numbering

_YUV = ((0.299, 0.587, 0.114), (-0.168736, -0.331264, 0.5), (0.5, -0.418688, -0.081312))
_OFFSETS = (0.0, 128.0, 128.0)
_LATTICE = 2.0**12  # steps per grey level: the finest that float32 resolves with a margin
_TILE = 2**16
_LARGE = 2**22  # pixels of an image above which its cells are numbered in bands


@dataclass(frozen=True)
class Sigmas:
    """Side lengths of a grid cell.

    Args:
        spatial: In pixels, along either axis.
        luma: In grey levels of Y.
        chroma: In grey levels of U and of V.
    """

    spatial: float = 16.0
    luma: float = 16.0
    chroma: float = 8.0


@dataclass(frozen=True)
class Vertices:
    """The occupied cells of a batch of images.

    Attributes:
        pixels: Index of the vertex of each pixel, int32 or int64, ``[B*H*W]``.
        owners: Index of the image of each vertex, non-decreasing, ``[N]``.
        counts: Number of pixels of each vertex, ``[N]``.
        neighbours: Indices of the vertices one step away along the five axes, -1 for none,
            ``[N, 10]``.
    """

    pixels: Tensor
    owners: Tensor
    counts: Tensor
    neighbours: Tensor


def _extent(largest: float, sigma: float) -> int:
    """Return the number of cells of values in [0, largest], plus a margin of one at either end."""
    return int(largest / sigma) + 3


def colour_keys(images: Tensor, sigmas: Sigmas) -> tuple[Tensor, tuple[int, int, int]]:
    """Compute the index of the colour cell of every pixel: luma, U and V (as in JPEG).

    Args:
        images: RGB in [0, 1], ``[B, 3, H, W]``.
        sigmas: Side lengths of a cell.

    Returns:
        Integer keys ``[B, H*W]``, and the numbers of cells along the three axes, of which the last
        varies fastest.
    """
    pixels = images.flatten(2)
    luma, chroma = _extent(255, sigmas.luma), _extent(256, sigmas.chroma)
    # Tiles fit the CPU cache, and large images need little memory besides their keys.
    tile = _TILE if images.device.type == "cpu" else pixels.shape[2]
    dtype = torch.int32 if luma * chroma * chroma < 2**31 else torch.int64
    parts = [_keys(part, sigmas, chroma, dtype) for part in torch.split(pixels, tile, 2)]
    return torch.cat(parts, 1), (luma, chroma, chroma)


def _keys(pixels: Tensor, sigmas: Sigmas, extent: int, dtype: torch.dtype) -> Tensor:
    """Compute the colour keys of pixels ``[B, 3, P]``; ``extent`` is that of U and of V."""
    # Greys lie on a cell border of both chromas. Rounding to a fine lattice restores the exact
    # levels of 8-bit images, and sums in a fixed order give the same cells on every device.
    exact = pixels if pixels.dtype == torch.float64 else pixels.float()
    levels = exact.clamp(0, 1).mul_(255 * _LATTICE).round_().double()
    red, green, blue = levels.unbind(1)
    total, term = torch.empty_like(red), torch.empty_like(red)
    axes, cells = (sigmas.luma, sigmas.chroma, sigmas.chroma), []
    for weights, offset, sigma in zip(_YUV, _OFFSETS, axes, strict=True):
        r, g, b = (weight / _LATTICE / sigma for weight in weights)
        torch.mul(red, r, out=total).add_(torch.mul(green, g, out=term))
        total.add_(torch.mul(blue, b, out=term))
        if offset:
            total.add_(offset / sigma)
        cells.append(total.int())
    keys, u, v = cells[0].to(dtype), *cells[1:]
    return keys.mul_(extent).add_(u).mul_(extent).add_(v).add_((extent + 1) * extent + 1)


def find_vertices(images: Tensor, sigmas: Sigmas) -> Vertices:
    """Find the occupied cells of images, and their neighbours.

    A cell is a position and a colour. Only colours that occur have an index, which keeps the table
    of all cells small; one additional index stands for all other colours.

    Args:
        images: RGB in [0, 1], ``[B, 3, H, W]``.
        sigmas: Side lengths of a cell.
    """
    batch, _, height, width = images.shape
    keys, extents = colour_keys(images, sigmas)
    colours = Numbering(keys.flatten(), extents[0] * extents[1] * extents[2])
    count = len(colours) + 1
    columns = _extent(width - 1, sigmas.spatial) * count
    positions = _extent(height - 1, sigmas.spatial) * columns
    y = _steps(height, sigmas.spatial, images.device) * columns
    x = _steps(width, sigmas.spatial, images.device) * count
    b = torch.arange(batch, device=images.device)[:, None] * positions
    dtype = torch.int32 if batch * positions < 2**31 else torch.int64
    cells = ((b + y).to(dtype)[..., None] + x.to(dtype)).flatten().add_(colours.numbers)
    del keys
    bands = _bands(height, width, sigmas.spatial) if _is_large(images) else ()
    vertices = Numbering(cells, batch * positions, bands)
    return Vertices(
        pixels=vertices.numbers,
        owners=vertices.values // positions,
        counts=vertices.counts,
        neighbours=_neighbours(vertices, colours, columns, extents),
    )


def _is_large(images: Tensor) -> bool:
    """Return whether the cells of an image are numbered in bands, to bound the memory."""
    return len(images) == 1 and images[0, 0].numel() > _LARGE and images.device.type == "cpu"


def _bands(height: int, width: int, sigma: float) -> list[int]:
    """Return the pixels of bands of whole rows of cells; cells are ordered by their row first."""
    row_of = (torch.arange(height, dtype=torch.float64) / sigma).long()
    rows = torch.bincount(row_of).tolist()
    bands = [0]
    for count in rows:
        if bands[-1] > _LARGE // 4:
            bands.append(0)
        bands[-1] += count * width
    return bands


def _steps(size: int, sigma: float, device: torch.device) -> Tensor:
    """Return the cell coordinates of the pixels along one axis, after a margin of one cell."""
    return (torch.arange(size, device=device, dtype=torch.float64) / sigma).long() + 1


def _neighbours(
    vertices: Numbering, colours: Numbering, columns: int, extents: tuple[int, int, int]
) -> Tensor:
    """Return the neighbours of all vertices, two along each axis, ``[N, 10]``."""
    absent, device = len(colours), vertices.values.device
    count, luma, u = absent + 1, extents[1] * extents[2], extents[2]
    steps = torch.tensor([-luma, luma, -u, u, -1, 1], device=device)
    others = colours.find((colours.values[:, None] + steps).flatten()).view(-1, 6)
    shifts = torch.where(others < 0, absent, others) - torch.arange(absent, device=device)[:, None]
    moves = torch.tensor([-columns, -count, count, columns], device=device).expand(absent, 4)
    # What leads from a vertex to its neighbours depends on its colour alone.
    cells = torch.cat([moves, shifts], 1).index_select(0, vertices.values % count)
    cells += vertices.values[:, None]
    return vertices.find(cells.flatten()).view(-1, 10)
