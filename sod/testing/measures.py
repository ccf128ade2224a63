"""The contract of a measure as a test class: subclass it, name the measure, run pytest."""

from math import isfinite
from typing import ClassVar

import torch
from torch import Tensor

from sod.metrics.catalogue import OwnMeasure


class MeasureContract:
    """What every measure keeps: its direction, and a finite number for any map and mask.

    A subclass whose name begins with ``Test`` is run by pytest::

        class TestCoverage(MeasureContract):
            measure = COVERAGE

    Attributes:
        measure: The measure.
    """

    measure: ClassVar[OwnMeasure]

    def value(self, saliency: Tensor, mask: Tensor) -> float:
        """Return the measure of a map and a mask."""
        return float(self.measure.compute(saliency, mask))

    def test_the_mask_itself_is_better_than_its_opposite(self) -> None:
        """The direction is the one that tables mark as better."""
        mask = square()
        perfect, opposite = self.value(mask.double(), mask), self.value((~mask).double(), mask)
        assert perfect < opposite if self.measure.lower_is_better else perfect > opposite

    def test_every_map_and_mask_has_a_finite_number(self) -> None:
        """Empty and full ones too, of any size."""
        for height, width in ((1, 1), (24, 32), (7, 200)):
            noise = torch.rand(height, width, generator=seeded(), dtype=torch.float64)
            for saliency in (noise, torch.zeros_like(noise), torch.ones_like(noise)):
                for mask in (noise > 0.5, noise > 2, noise > -1):
                    assert isfinite(self.value(saliency, mask))

    def test_results_repeat_and_inputs_stay(self) -> None:
        """The same map and mask give the same number, and are not changed."""
        saliency, mask = torch.rand(24, 32, generator=seeded(), dtype=torch.float64), square()
        before = saliency.clone(), mask.clone()
        assert self.value(saliency, mask) == self.value(saliency, mask)
        assert torch.equal(saliency, before[0])
        assert torch.equal(mask, before[1])

    def test_it_has_a_short_heading(self) -> None:
        """A table has room for a word."""
        assert 0 < len(self.measure.heading) <= 12


def square() -> Tensor:
    """Return a mask ``[24, 32]`` with one square."""
    mask = torch.zeros(24, 32, dtype=torch.bool)
    mask[6:18, 8:20] = True
    return mask


def seeded() -> torch.Generator:
    """Return a generator of random numbers, always the same."""
    return torch.Generator().manual_seed(0)
