"""Tests that every method and measure has to pass, for those of other packages too."""

from sod.testing.contract import MethodContract
from sod.testing.measures import MeasureContract

__all__ = ["MeasureContract", "MethodContract"]
