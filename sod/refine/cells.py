"""The cells of bilateral space: integer coordinates of pixels and the vertices they fall on."""

from dataclasses import dataclass

import torch
from torch import Tensor

from sod.refine.numbering import Numbering

_YUV = ((0.299, 0.587, 0.114), (-0.168736, -0.331264, 0.5), (0.5, -0.418688, -0.081312))
_OFFSETS = (0.0, 128.0, 128.0)
_LATTICE = 2.0**12  # steps per grey level: the finest that float32 resolves with a margin
_TILE = 2**16


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
    """The occupied cells of some images.

    Attributes:
        pixels: The vertex of each pixel, int32 or int64, ``[B*H*W]``.
        owners: The image of each vertex, increasing, ``[N]``.
        counts: Pixels of each vertex, ``[N]``.
        neighbours: Vertices one step apart along the five axes, -1 for none, ``[10, N]``.
    """

    pixels: Tensor
    owners: Tensor
    counts: Tensor
    neighbours: Tensor


def _extent(largest: float, sigma: float) -> int:
    """Return the number of coordinates of values in [0, largest], plus a margin at either end."""
    return int(largest / sigma) + 3


def colour_keys(images: Tensor, sigmas: Sigmas) -> tuple[Tensor, tuple[int, int, int]]:
    """Number the colour cell of every pixel: luma, U and V (JPEG's conversion, offset 128).

    Args:
        images: RGB in [0, 1], ``[B, 3, H, W]``.
        sigmas: Side lengths of a cell.

    Returns:
        Integer keys ``[B, H*W]``, and the extents of the three axes (the last is the fastest).
    """
    pixels = images.flatten(2)
    luma, chroma = _extent(255, sigmas.luma), _extent(256, sigmas.chroma)
    # In tiles that stay in the cache; a large image then needs little memory beside its keys.
    tile = _TILE if images.device.type == "cpu" else pixels.shape[2]
    dtype = torch.int32 if luma * chroma * chroma < 2**31 else torch.int64
    parts = [_keys(part, sigmas, chroma, dtype) for part in torch.split(pixels, tile, 2)]
    return torch.cat(parts, 1), (luma, chroma, chroma)


def _keys(pixels: Tensor, sigmas: Sigmas, extent: int, dtype: torch.dtype) -> Tensor:
    """Number the colour cells of pixels ``[B, 3, P]``; ``extent`` is that of U and of V."""
    # Rounding to a fine lattice gives 8-bit images their exact grey levels back, and sums in a
    # fixed order give every device the same cells: greys lie on a cell border of both chromas.
    exact = pixels if pixels.dtype == torch.float64 else pixels.float()
    levels = exact.clamp(0, 1).mul_(255 * _LATTICE).round_().double()
    red, green, blue = levels.unbind(1)
    keys = torch.zeros_like(red, dtype=dtype)
    total, term = torch.empty_like(red), torch.empty_like(red)
    axes = (sigmas.luma, sigmas.chroma, sigmas.chroma)
    for weights, offset, sigma in zip(_YUV, _OFFSETS, axes, strict=True):
        r, g, b = (weight / _LATTICE / sigma for weight in weights)
        torch.mul(red, r, out=total).add_(torch.mul(green, g, out=term))
        total.add_(torch.mul(blue, b, out=term))
        if offset:
            total.add_(offset / sigma)
        keys.mul_(extent).add_(total.int())
    return keys.add_((extent + 1) * extent + 1)


def find_vertices(images: Tensor, sigmas: Sigmas) -> Vertices:
    """Find the occupied cells of images ``[B, 3, H, W]`` in [0, 1], and their neighbours.

    A cell is a place and a colour. Only colours that occur are numbered, so that the table of all
    cells stays small; one number more than there are stands for the colours that do not.
    """
    batch, _, height, width = images.shape
    keys, extents = colour_keys(images, sigmas)
    colours = Numbering(keys.flatten(), extents[0] * extents[1] * extents[2])
    count = len(colours) + 1
    columns = _extent(width - 1, sigmas.spatial) * count
    places = _extent(height - 1, sigmas.spatial) * columns
    y = _steps(height, sigmas.spatial, images.device) * columns
    x = _steps(width, sigmas.spatial, images.device) * count
    b = torch.arange(batch, device=images.device)[:, None] * places
    dtype = torch.int32 if batch * places < 2**31 else torch.int64
    cells = ((b + y).to(dtype)[..., None] + x.to(dtype)).flatten().add_(colours.numbers)
    vertices = Numbering(cells, batch * places)
    return Vertices(
        pixels=vertices.numbers,
        owners=vertices.values // places,
        counts=vertices.counts,
        neighbours=_neighbours(vertices, colours, columns, extents),
    )


def _steps(size: int, sigma: float, device: torch.device) -> Tensor:
    """Return the coordinates of pixels 0..size-1 along one axis, after a margin of one."""
    return (torch.arange(size, device=device, dtype=torch.float64) / sigma).long() + 1


def _neighbours(
    vertices: Numbering, colours: Numbering, columns: int, extents: tuple[int, int, int]
) -> Tensor:
    """Look the neighbours of all vertices up: two along each axis, ``[10, N]``."""
    absent = len(colours)
    count = absent + 1
    colour = vertices.values % count
    place = vertices.values - colour
    cells = [vertices.values + step for step in (-columns, -count, count, columns)]
    for axis in (extents[1] * extents[2], extents[2], 1):
        for step in (-axis, axis):
            other = colours.find(colours.values + step)
            other = torch.where(other < 0, absent, other)
            cells.append(place + other.index_select(0, colour))
    return vertices.find(torch.cat(cells)).view(10, -1)
