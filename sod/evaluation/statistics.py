"""Confidence intervals of methods, and whether their differences are more than chance."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import combinations
from typing import NamedTuple

import numpy as np
from scipy import stats

from sod.evaluation.image_results import ImageResults
from sod.evaluation.resampling import (
    RESAMPLES,
    Array,
    bootstrap,
    data_set,
    interval,
    p_value,
    sign_flips,
)

LEVEL = 0.95
SEED_MARK = "@"
"""Between the name of a method and that of one of its runs: ``PEEKABOO@1``."""


class Pair(NamedTuple):
    """Difference of two methods on one data set by one measure.

    Attributes:
        dataset: Name of the data set.
        measure: Name of the measure.
        first: Label of the first method.
        second: Label of the second one.
        images: Number of images that both have.
        difference: Value of the first minus that of the second.
        low: Lower end of its 95 % confidence interval.
        high: Upper end.
        p: p-value of the hypothesis that there is no difference.
    """

    dataset: str
    measure: str
    first: str
    second: str
    images: int
    difference: float
    low: float
    high: float
    p: float


@dataclass
class Statistics:
    """Statistics of a table.

    Attributes:
        intervals: 95 % interval by (label, data set, measure).
        pairs: All pairs of methods, on all data sets, by all measures.
        resamples: Number of resamples; 0 if nothing was computed.
    """

    intervals: dict[tuple[str, str, str], tuple[float, float]] = field(default_factory=dict)
    pairs: list[Pair] = field(default_factory=list)
    resamples: int = 0

    def p(self, dataset: str, measure: str, first: str, second: str) -> float | None:
        """Return the p-value of a pair, in any order; None if it was not compared."""
        return self._p_values.get((dataset, measure, *sorted((first, second))))

    @cached_property
    def _p_values(self) -> Mapping[tuple[str, ...], float]:
        return {
            (pair.dataset, pair.measure, *sorted((pair.first, pair.second))): pair.p
            for pair in self.pairs
        }


class _Unit(NamedTuple):
    """One method on one data set: a run, or several runs with different seeds."""

    label: str
    runs: list[ImageResults]

    @property
    def names(self) -> set[str]:
        return set.intersection(*(set(run.names) for run in self.runs))


def base_of(label: str) -> str:
    """Return the label without its seed: ``PEEKABOO+bilateral`` of ``PEEKABOO@1+bilateral``."""
    name, mark, rest = label.partition(SEED_MARK)
    plus = rest.find("+")
    return name + (rest[plus:] if mark and plus >= 0 else "")


def compare(
    results: Mapping[str, Mapping[str, ImageResults]],
    resamples: int = RESAMPLES,
    against: str | None = None,
) -> Statistics:
    """Compute the intervals of all methods and compare them in pairs, on each data set.

    Runs of one method with several seeds (``NAME@SEED``) are one method: the variance of the seeds
    is added to that of the images.

    Args:
        results: Results of every image by data set, then by label.
        resamples: Number of resamples; 0 computes nothing.
        against: Compare with this method only; None compares all pairs.
    """
    statistics = Statistics(resamples=resamples)
    if not resamples:
        return statistics
    for dataset, methods in results.items():
        units = _units(methods)
        for unit in units:
            names = sorted(unit.names)
            samples = _samples(unit, names, resamples)
            values = np.mean([data_set(run.chosen(names)) for run in unit.runs], axis=0)
            spread = _seed_variance([unit], names)
            for place, measure in enumerate(unit.runs[0].measures):
                key = (unit.label, dataset, measure)
                ends = _interval(samples[:, place], values[place], len(names), spread, place, unit)
                statistics.intervals[key] = ends
        for first, second in combinations(units, 2):
            if against in {None, first.label, second.label}:
                statistics.pairs += _compared(dataset, first, second, resamples)
    return statistics


def _units(methods: Mapping[str, ImageResults]) -> list[_Unit]:
    runs: dict[str, list[ImageResults]] = {}
    for label, results in methods.items():
        runs.setdefault(base_of(label), []).append(results)
    return [_Unit(label, results) for label, results in runs.items()]


def _samples(unit: _Unit, names: Sequence[str], resamples: int) -> Array:
    """Return bootstrap samples ``[R, M]`` of the mean over the runs."""
    parts = [bootstrap(run.chosen(names), resamples) for run in unit.runs]
    return np.asarray(np.mean(parts, axis=0))


def _seed_variance(units: Iterable[_Unit], names: Sequence[str]) -> Array:
    """Return the variance ``[M]`` that the seeds add to the difference of means over runs."""
    total: Array | float = 0.0
    for unit in units:
        if len(unit.runs) > 1:
            values = np.array([data_set(run.chosen(names)) for run in unit.runs])
            total = total + values.var(0, ddof=1) / len(values)
    return np.zeros(len(unit.runs[0].measures)) + total


def _compared(dataset: str, first: _Unit, second: _Unit, resamples: int) -> list[Pair]:
    """Compare two methods on the images that both have, by all measures that both have."""
    names = sorted(first.names & second.names)
    measures = first.runs[0].measures
    if not names or second.runs[0].measures != measures:
        return []
    values = [
        np.mean([data_set(run.chosen(names)) for run in unit.runs], axis=0)
        for unit in (first, second)
    ]
    samples = _samples(first, names, resamples) - _samples(second, names, resamples)
    difference = values[0] - values[1]
    seeds = _seed_variance([first, second], names)
    single = len(first.runs) == len(second.runs) == 1
    flips = None
    if single:
        flips = sign_flips(first.runs[0].chosen(names), second.runs[0].chosen(names), resamples)
    pairs = []
    for place, measure in enumerate(measures):
        column = samples[:, place]
        low, high = _interval(column, difference[place], len(names), seeds, place, first, second)
        if flips is None:
            p = _t_test(column, difference[place], len(names), seeds[place], first, second)
        else:
            p = p_value(flips[:, place], difference[place])
        pairs.append(
            Pair(dataset, measure, first.label, second.label, len(names),
                 float(difference[place]), low, high, p)
        )  # fmt: skip
    return pairs


def _interval(
    samples: Array, value: float, count: int, seeds: Array, place: int, *units: _Unit
) -> tuple[float, float]:
    if all(len(unit.runs) == 1 for unit in units):
        return interval(samples, count, LEVEL)
    error, freedom = _error(samples, count, seeds[place], units)
    reach = float(stats.t.ppf((1 + LEVEL) / 2, freedom) * error)
    return float(value - reach), float(value + reach)


def _t_test(samples: Array, difference: float, count: int, seeds: float, *units: _Unit) -> float:
    error, freedom = _error(samples, count, seeds, units)
    if error == 0:
        return 1.0 if difference == 0 else 0.0
    return float(2 * stats.t.sf(abs(difference) / error, freedom))


def _error(samples: Array, count: int, seeds: float, units: Sequence[_Unit]) -> tuple[float, float]:
    """Return the standard error from images and seeds, and Satterthwaite's degrees of freedom."""
    images = float(samples.var() * count / max(count - 1, 1))
    runs = sum(len(unit.runs) - 1 for unit in units)
    total = images + seeds
    parts = images**2 / max(count - 1, 1) + (seeds**2 / runs if runs else 0.0)
    return float(np.sqrt(total)), total**2 / parts if parts else float(count)
