"""The program in Python: load a model, look at images, measure maps, refine them.

``import sod`` offers all of it as ``sod.load``, ``sod.Model``, ``sod.evaluate`` and ``sod.refine``.
"""

from sod.api.images import ImageLike
from sod.api.loading import load
from sod.api.maps import evaluate, refine
from sod.api.model import Model

__all__ = ["ImageLike", "Model", "evaluate", "load", "refine"]
