"""Paired measurement: all cases in turns in one process, ratios per image and pass, quartiles.

Other programs on the machine slow each case in the same way, so that ratios mean something where
absolute times do not. Processor time is taken beside wall time.
"""

import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Case = Callable[[int], object]
"""What is timed; it is called with the number of an image."""
Array = NDArray[np.float64]


class Quartiles(NamedTuple):
    """A median between the first and the third quartile."""

    low: float
    median: float
    high: float

    def __str__(self) -> str:
        return f"{self.median:.2f} ({self.low:.2f}–{self.high:.2f})"


class Times(NamedTuple):
    """Seconds of one case, ``[passes, images]``."""

    wall: Array
    cpu: Array


def in_turns(cases: Mapping[str, Case], images: int, passes: int) -> dict[str, Times]:
    """Time all cases on each image, one after the other; each image begins with another case.

    Args:
        cases: By name.
        images: Number of images.
        passes: Passes over all images, after one that is not timed.
    """
    names = list(cases)
    times = {name: Times(*np.zeros((2, passes, images))) for name in names}
    for number in range(-1, passes):
        for image in range(images if number >= 0 else min(images, 3)):
            first = (image + number) % len(names)
            for name in names[first:] + names[:first]:
                wall, cpu = time.perf_counter(), time.process_time()
                cases[name](image)
                if number >= 0:
                    times[name].wall[number, image] = time.perf_counter() - wall
                    times[name].cpu[number, image] = time.process_time() - cpu
    return times


def quartiles(values: Array) -> Quartiles:
    """Return the quartiles of some values."""
    return Quartiles(*(float(value) for value in np.quantile(values, (0.25, 0.5, 0.75))))


def ratio(case: Array, base: Array) -> Quartiles:
    """Return the quartiles of the ratio of the times, over images and passes."""
    return quartiles(case / base)


def milliseconds(case: Array) -> Quartiles:
    """Return the quartiles of the time in milliseconds, over images and passes."""
    return quartiles(1000 * case)
