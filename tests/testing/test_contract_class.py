"""The contract fails for methods that break it."""

from typing import ClassVar

import pytest
import torch
from torch import Tensor

from sod.engine.method import Method
from sod.methods.centre_box import CentreBox
from sod.testing.contract import MethodContract, check_map, noise, predict


class Kept(MethodContract):
    method: ClassVar[type[Method]] = CentreBox


def broken(change: object) -> MethodContract:
    """Return the contract of a centre box whose maps are changed."""

    class Broken(Kept):
        def build(self) -> Method:
            built = super().build()
            plain = built.saliency
            built.saliency = lambda images: change(plain(images), images)  # type: ignore
            return built

    return Broken()


BROKEN = {
    "range": lambda maps, images: maps * 2,
    "size": lambda maps, images: maps[..., 1:, :],
    "dtype": lambda maps, images: maps.double(),
    "nan": lambda maps, images: maps / 0 * 0,
    "mixed": lambda maps, images: maps * (0.5 + 0.1 * len(images)),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_map_is_noticed(kind: str) -> None:
    Kept().test_maps_are_finite_in_range_and_as_large_as_the_image()
    with pytest.raises(AssertionError):
        broken(BROKEN[kind]).test_maps_are_finite_in_range_and_as_large_as_the_image()


def test_a_map_that_differs_each_time_is_noticed() -> None:
    Kept().test_results_repeat_exactly()
    noisy = broken(lambda maps, images: maps * torch.rand(()))
    with pytest.raises(AssertionError):
        noisy.test_results_repeat_exactly()


def test_a_parameter_without_a_word_is_noticed() -> None:
    class Silent(CentreBox):
        """Nothing is said about the parameter."""

    class Case(Kept):
        method: ClassVar[type[Method]] = Silent

    with pytest.raises(AssertionError, match="no docstring of 'share'"):
        Case().test_every_parameter_is_explained()


def test_helpers() -> None:
    assert torch.equal(noise(2, 4, 5), noise(2, 4, 5))
    maps: Tensor = predict(CentreBox(), noise(1, 4, 4))
    check_map(maps, (1, 1, 4, 4))
    with pytest.raises(AssertionError, match="shape"):
        check_map(maps, (1, 1, 4, 5))
