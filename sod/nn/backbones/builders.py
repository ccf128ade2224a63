"""Backbones other than timm's, by `backbone.name`."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from sod.core.registry import Registry
from sod.nn.backbones.base import Backbone
from sod.nn.backbones.descriptor import Descriptor

if TYPE_CHECKING:
    from sod.nn.backbones.build import BackboneConfig


def _descriptor(config: "BackboneConfig") -> Backbone:
    return Descriptor("contrast" in config.extra_features)


BUILDERS: "Registry[Callable[[BackboneConfig], Backbone]]" = Registry(
    "backbone", {"descriptor": _descriptor}
)
"""Functions that build a frozen backbone; another package adds its own with
``BUILDERS.register``."""
