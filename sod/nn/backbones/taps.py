"""Places in a backbone that features are taken from: a facet of a block."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast, get_args

from sod.core.errors import SodError, suggest
from sod.nn.backbones.projection import Facet


@dataclass(frozen=True)
class Tap:
    """A feature to extract: a facet and the index of its block, from 0.

    Queries, keys and values are the projections of all heads before the attention; a token is the
    output of the block, before the final norm of the network.
    """

    facet: Facet
    block: int

    @property
    def depth(self) -> int:
        """Number of blocks that have to be run to compute it."""
        return self.block + (self.facet == "token")

    def __str__(self) -> str:
        """Return it as ``extra_features`` names it, such as ``token.4``."""
        return f"{self.facet}.{self.block}"


def every_tap(depth: int, facets: Sequence[Facet]) -> list[Tap]:
    """Return each facet of each block, block by block."""
    return [Tap(facet, block) for block in range(depth) for facet in facets]


def named_tap(entry: str, depth: int, facets: Sequence[Facet], name: str) -> Tap:
    """Return the tap of an entry of ``extra_features``.

    Args:
        entry: FACET.BLOCK, such as ``token.4``.
        depth: Number of blocks of the model.
        facets: The facets that the model has.
        name: Name of the model, for error messages.

    Raises:
        SodError: It has another form, or the model has no such facet or block.
    """
    facet, _, block = entry.partition(".")
    if not block.removeprefix("-").isdecimal():
        raise SodError(f"backbone.extra_features: '{entry}' is not FACET.BLOCK, such as token.4")
    return checked_tap(facet, int(block), depth, facets, name)


def checked_tap(facet: str, block: int, depth: int, facets: Sequence[Facet], name: str) -> Tap:
    """Check a facet and a block index, which may be negative, and return them as a tap.

    Args:
        facet: Name of the facet.
        block: Index of the block; negative values count from the end.
        depth: Number of blocks of the model.
        facets: The facets that the model has.
        name: Name of the model, for error messages.

    Raises:
        SodError: The model has no such facet or block.
    """
    known = get_args(Facet)
    if facet not in known:
        raise SodError(
            f"backbone.facet: '{facet}' is none of {', '.join(known)}.{suggest(facet, known)}"
        )
    if facet not in facets:
        raise SodError(
            f"backbone.facet: {name} has no '{facet}' features: choose {' or '.join(facets)}"
        )
    if not -depth <= block < depth:
        raise SodError(
            f"backbone.block: {name} has {depth} blocks, 0 to {depth - 1} (or -1 to -{depth}), "
            f"not {block}"
        )
    return Tap(cast("Facet", facet), block % depth)
