"""Backbones other than timm's, by `backbone.name`."""

from collections.abc import Callable
from typing import TYPE_CHECKING, get_args

from sod.core.registry import Registry
from sod.nn.backbones.base import Backbone
from sod.nn.backbones.descriptor import Descriptor
from sod.nn.backbones.projection import Facet
from sod.nn.backbones.taps import checked_tap, named_tap

if TYPE_CHECKING:
    from sod.nn.backbones.build import BackboneConfig

DEPTHS = {"descriptor": 2}
"""Number of blocks of the backbones that have more than one."""
EXTRAS = {"descriptor": ("contrast",)}
"""Extra features of these backbones that are no facet of a block."""


def _descriptor(config: "BackboneConfig") -> Backbone:
    """Return the descriptor; any facet is the feature of the block itself.

    It stands in for transformers in their configs, which name blocks that it does not have: a
    higher block is its last one, and extra features of higher blocks are left out.
    """
    depth, facets = DEPTHS["descriptor"], get_args(Facet)
    taps = [checked_tap(config.facet, min(config.block, depth - 1), depth, facets, config.name)]
    for entry in config.extra_features:
        block = entry.rpartition(".")[2]
        if entry != "contrast" and not (block.isdigit() and int(block) >= depth):
            taps.append(named_tap(entry, depth, facets, config.name))
    return Descriptor([tap.block for tap in taps], "contrast" in config.extra_features)


BUILDERS: "Registry[Callable[[BackboneConfig], Backbone]]" = Registry(
    "backbone", {"descriptor": _descriptor}
)
"""Functions that build a frozen backbone; another package adds its own with
``BUILDERS.register``."""
