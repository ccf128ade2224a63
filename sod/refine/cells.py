"""The cells of bilateral space: integer coordinates of pixels and the vertices they fall on."""

from dataclasses import dataclass

import torch
from torch import Tensor

from sod.refine.numbering import Numbering

_YUV = ((0.299, 0.587, 0.114), (-0.168736, -0.331264, 0.5), (0.5, -0.418688, -0.081312))
_OFFSETS = (0.0, 128.0, 128.0)
_LATTICE = 2.0**14


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
        pixels: The vertex of each pixel, ``[B*H*W]``.
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
    # Rounding to a fine lattice gives 8-bit images their exact grey levels back, and sums in a
    # fixed order give every device the same cells: greys lie on a cell border of both chromas.
    levels = images.clamp(0, 1).flatten(2).double().mul_(255 * _LATTICE).round_()
    red, green, blue = levels.unbind(1)
    axes = (sigmas.luma, sigmas.chroma, sigmas.chroma)
    extents = (_extent(255, axes[0]), _extent(256, axes[1]), _extent(256, axes[2]))
    small = extents[0] * extents[1] * extents[2] < 2**31
    keys = torch.zeros_like(red, dtype=torch.int32 if small else torch.int64)
    total, term = torch.empty_like(red), torch.empty_like(red)
    for weights, offset, sigma, extent in zip(_YUV, _OFFSETS, axes, extents, strict=True):
        r, g, b = (weight / _LATTICE / sigma for weight in weights)
        torch.mul(red, r, out=total).add_(torch.mul(green, g, out=term))
        total.add_(torch.mul(blue, b, out=term)).add_(offset / sigma)
        keys.mul_(extent).add_(total.to(keys.dtype)).add_(1)
    return keys, extents


def find_vertices(images: Tensor, sigmas: Sigmas) -> Vertices:
    """Find the occupied cells of images ``[B, 3, H, W]`` in [0, 1], and their neighbours.

    A cell is a place and a colour. Only colours that occur are numbered, so that the table of all
    cells stays small.
    """
    batch, _, height, width = images.shape
    keys, extents = colour_keys(images, sigmas)
    colours = Numbering(keys.flatten(), extents[0] * extents[1] * extents[2])
    count = len(colours)
    columns = _extent(width - 1, sigmas.spatial) * count
    places = _extent(height - 1, sigmas.spatial) * columns
    y = _steps(height, sigmas.spatial, images.device) * columns
    x = _steps(width, sigmas.spatial, images.device) * count
    b = torch.arange(batch, device=images.device) * places
    cells = (b[:, None, None] + (y[:, None] + x)).flatten().add_(colours.numbers)
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
    count = len(colours)
    colour = vertices.values % count
    place = vertices.values - colour
    found = [vertices.find(vertices.values + step) for step in (-columns, -count, count, columns)]
    for axis in (extents[1] * extents[2], extents[2], 1):
        for step in (-axis, axis):
            other = colours.find(colours.values + step).index_select(0, colour)
            number = vertices.find(place + other.clamp(min=0))
            found.append(number.masked_fill_(other < 0, -1))
    return torch.stack(found)
