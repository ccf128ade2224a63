"""One map and its mask, with all that measures are computed from: each part once, when needed."""

from functools import cached_property

import torch
from torch import Tensor

from sod.metrics.context import Context, context_of
from sod.metrics.families import OF_OBJECTS, of_counts
from sod.metrics.multiscale import Mask, edge_cells, multiscale_iou
from sod.metrics.objects import Box, object_boxes, object_counts
from sod.metrics.prepare import Prepared, mean_of
from sod.metrics.protocols import Protocol
from sod.metrics.scale_curve import multiscale_curve
from sod.metrics.thresholds import Counts, append, sweep

HALF, ADAPTIVE = -1, -2
"""Positions of the threshold 0.5 and of the adaptive threshold after the T thresholds."""


class Picture:
    """A prepared map and its mask.

    Args:
        image: Map and mask after the protocol's rules.
        protocol: The evaluation protocol.
        colours: The photo, float ``[3, H, W]`` in [0, 1], or None.
    """

    def __init__(self, image: Prepared, protocol: Protocol, colours: Tensor | None = None) -> None:
        self.image = image
        self.protocol = protocol
        self.colours = colours
        self._families: dict[str, Tensor] = {}

    @cached_property
    def half(self) -> Tensor:
        """The map at threshold 0.5, bool ``[H, W]``."""
        return self.image.values > 0.5

    @cached_property
    def adaptive(self) -> Tensor:
        """The map at the adaptive threshold, bool ``[H, W]``."""
        limit = (2 * mean_of(self.image.values, self.protocol)).clamp(max=1)
        values = self.image.values
        return values >= limit if self.protocol.adaptive == ">=" else values > limit

    @cached_property
    def error(self) -> Tensor:
        """The absolute error of each pixel, float64 ``[H, W]``."""
        return self.image.values.sub(self.image.foreground.byte()).abs_()

    @cached_property
    def counts(self) -> Counts:
        """Counts ``[T + 2]``: thresholds, adaptive threshold, 0.5."""
        counts = sweep(self.image.codes, self.image.foreground, self.protocol.thresholds)
        return append(counts, self.image.foreground, self.adaptive, self.half)

    @cached_property
    def boxes(self) -> list[Box]:
        """Boxes of the mask's objects."""
        return object_boxes(self.image.foreground)

    @cached_property
    def objects(self) -> Counts:
        """Counts ``[K, T + 2]`` of the objects; those of the whole image if it has none."""
        if self.boxes:
            return object_counts(self.image, self.boxes, self.protocol)
        return Counts(*(field[None] for field in self.counts))

    def family(self, name: str) -> Tensor:
        """Return a family's values ``[T + 2]``; the mean over objects for size-invariant ones."""
        if name not in self._families:
            if name.startswith(OF_OBJECTS):
                values = of_counts(name, self.objects, self.protocol).mean(0)
            else:
                values = of_counts(name, self.counts, self.protocol)
            self._families[name] = values
        return self._families[name]

    @cached_property
    def edge_cells(self) -> list[Mask]:
        """The cells that the edges of the mask touch, at each scale."""
        return edge_cells(self.image.foreground)

    @cached_property
    def scales(self) -> tuple[Tensor, float]:
        """Multi-scale IoU at the T thresholds, and of an empty map."""
        return multiscale_curve(self.image.codes, self.edge_cells, self.protocol.thresholds)

    def scale(self, position: int) -> float:
        """Return the multi-scale IoU at ``HALF`` or at ``ADAPTIVE``."""
        binary = self.half if position == HALF else self.adaptive
        return multiscale_iou(binary, self.edge_cells)

    @cached_property
    def context(self) -> Context | None:
        """What both context measures are computed from."""
        return context_of(self.image.values, self.image.foreground)

    def curve(self, family: str) -> Tensor:
        """Return a family's values ``[T]`` at ascending thresholds."""
        return self.scales[0] if family == "msiou" else self.family(family)[:ADAPTIVE]

    def pooled(self) -> Tensor:
        """Return the counts at 0.5, ``[2, 4]``: of the image, and summed over its objects."""
        rows = [_at_half(self.counts)]
        objects = self.objects
        rows.append(_at_half(Counts(*(field.sum(0) for field in objects))))
        return torch.stack(rows)


def _at_half(counts: Counts) -> Tensor:
    hits, predicted, positive, total = (field[HALF] for field in counts)
    return torch.stack([hits, predicted, positive, total])
