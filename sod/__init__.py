"""Salient-object detection without labels.

>>> import sod
>>> model = sod.load("centre_box", device="cpu")
>>> import numpy as np
>>> model(np.zeros((10, 20, 3), np.uint8)).shape
(10, 20)
"""

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sod.api import Model, evaluate, load, refine

__version__ = "0.1.0"
__all__ = ["Model", "__version__", "evaluate", "load", "refine"]

# Threads that wait by spinning fight with loader workers and other processes for the same cores:
# on two busy cores a forward pass takes ten times as long. It has to be said before torch loads.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")


def __getattr__(name: str) -> Any:  # noqa: ANN401 - whatever is asked for
    """Import what is asked for at its first use: PyTorch takes seconds."""
    if name in __all__:
        return getattr(import_module("sod.api"), name)
    raise AttributeError(f"module 'sod' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
