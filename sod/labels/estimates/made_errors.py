"""Errors made on purpose in masks that are taken as correct."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

Change = Callable[[Tensor, Tensor, torch.Generator], Tensor]
"""Maps a mask, another image's mask (both bool ``[s, s]``) and a generator to a changed mask."""


def keep(mask: Tensor, other: Tensor, generator: torch.Generator) -> Tensor:
    """Return the mask as it is."""
    return mask


def cut(mask: Tensor, other: Tensor, generator: torch.Generator) -> Tensor:
    """Cut away a part of the object, 5 to 70 % of it, along a line in any direction."""
    side = len(mask)
    angle = 2 * torch.pi * _uniform(0, 1, generator)
    steps = torch.arange(side, dtype=torch.float32)
    along = steps[:, None] * torch.sin(torch.tensor(angle)) + steps * torch.cos(torch.tensor(angle))
    if not mask.any():
        return mask
    return mask & (along >= torch.quantile(along[mask], _uniform(0.05, 0.7, generator)))


def grow(mask: Tensor, other: Tensor, generator: torch.Generator) -> Tensor:
    """Add a seam around the object, up to an eighth of the image wide."""
    return _spread(mask, _whole(1, len(mask) // 8, generator))


def shrink(mask: Tensor, other: Tensor, generator: torch.Generator) -> Tensor:
    """Take a seam away from the object, up to a sixteenth of the image wide."""
    return ~_spread(~mask, _whole(1, max(len(mask) // 16, 1), generator))


def shift(mask: Tensor, other: Tensor, generator: torch.Generator) -> Tensor:
    """Shift the mask, in either direction by up to a quarter of the image."""
    side = len(mask)
    down, right = (_whole(-side // 4, side // 4, generator) for _ in range(2))
    moved = torch.zeros_like(mask)
    source = mask[max(-down, 0) : side - max(down, 0), max(-right, 0) : side - max(right, 0)]
    moved[max(down, 0) : side - max(-down, 0), max(right, 0) : side - max(-right, 0)] = source
    return moved


def swap(mask: Tensor, other: Tensor, generator: torch.Generator) -> Tensor:
    """Return the mask of the other image."""
    return other


def paste(mask: Tensor, other: Tensor, generator: torch.Generator) -> Tensor:
    """Add the part of the other image's mask in a rectangle of a quarter to all of each side."""
    side = len(mask)
    height, width = (_whole(side // 4, side, generator) for _ in range(2))
    top, left = _whole(0, side - height, generator), _whole(0, side - width, generator)
    window = torch.zeros_like(mask)
    window[top : top + height, left : left + width] = True
    return mask | (other & window)


CHANGES: tuple[Change, ...] = (keep, cut, grow, shrink, shift, swap, paste)
"""The errors, which are made equally often; the first is none."""


def _spread(mask: Tensor, radius: int) -> Tensor:
    """Return the pixels within a square of ``2 radius + 1`` pixels of the mask."""
    values, kernel = mask[None].float(), 2 * radius + 1
    tall = F.max_pool2d(values, (kernel, 1), stride=1, padding=(radius, 0))
    return F.max_pool2d(tall, (1, kernel), stride=1, padding=(0, radius))[0] > 0.5


def _uniform(low: float, high: float, generator: torch.Generator) -> float:
    return low + (high - low) * float(torch.rand((), generator=generator))


def _whole(low: int, high: int, generator: torch.Generator) -> int:
    """Return a whole number from low to high, both included."""
    return int(torch.randint(low, high + 1, (), generator=generator))
