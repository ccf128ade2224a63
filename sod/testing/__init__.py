"""Tests that every method has to pass, for methods of other packages too."""

from sod.testing.contract import MethodContract

__all__ = ["MethodContract"]
