"""The examples in the docstrings of the program in Python."""

import doctest
from importlib import import_module

import pytest


@pytest.mark.parametrize("name", ["sod", "sod.api.loading", "sod.api.maps", "sod.api.model"])
def test_examples_give_what_they_show(name: str) -> None:
    results = doctest.testmod(import_module(name))
    assert results.attempted > 0
    assert results.failed == 0
