"""Statistics over images: paired bootstrap and sign-flip test of everything a table shows."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import torch
from scipy import stats
from torch import Tensor

from sod.evaluation.image_results import ImageResults
from sod.metrics.functional import Measured, summarise

Array = npt.NDArray[np.float64]
RESAMPLES = 10_000
_BLOCK = 4_000_000  # weights at a time


def bootstrap(results: ImageResults, resamples: int = RESAMPLES, seed: int = 0) -> Array:
    """Return the measures of resampled data sets, drawn with replacement.

    The draws depend on the number of images and on the seed alone. Two methods with results on the
    same images are therefore resampled alike: the difference of what this returns for both is the
    paired bootstrap of their difference. Maxima over thresholds are taken of each resample's own
    mean curve, as in the table.

    Args:
        results: Results of N images.
        resamples: Number R of resamples.
        seed: Seed of the draws.

    Returns:
        Float64 ``[R, M]``.

    Source: Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13.
    """
    count = len(results.names)
    random = np.random.default_rng(seed)
    parts = []
    for block in _blocks(resamples, count):
        draws = random.integers(count, size=(block, count))
        draws += np.arange(block)[:, None] * count
        weights = np.bincount(draws.ravel(), minlength=block * count).reshape(block, count)
        parts.append(_weighted(results, torch.from_numpy(weights / count)))
    return np.concatenate(parts)


def sign_flips(
    first: ImageResults, second: ImageResults, resamples: int = RESAMPLES, seed: int = 0
) -> Array:
    """Return differences of two methods whose results are swapped at random, image by image.

    If both methods were one, each swap would be as likely as none. For a measure that is a mean
    over images, this flips the signs of the differences.

    Args:
        first: Results of N images.
        second: Results of the other method on the same images, in the same order.
        resamples: Number R of random assignments.
        seed: Seed of the draws.

    Returns:
        Float64 ``[R, M]``: first minus second.

    Source: Fisher, The Design of Experiments, 1935, section 21.
    """
    count = len(first.names)
    random = np.random.default_rng(seed)
    pairs = list(zip(first.measured, second.measured, strict=True))
    middle = Measured(*((a.double() + b.double()).mean(0) / 2 for a, b in pairs))
    half = first._replace(measured=Measured(*((a - b) / 2 for a, b in pairs)))
    parts = []
    for block in _blocks(resamples, count):
        signs = 2.0 * random.integers(2, size=(block, count)) - 1
        shift = _means(half, torch.from_numpy(signs / count))
        one, other = (
            summarise(
                Measured(*(m + side * d for m, d in zip(middle, shift, strict=True))),
                first.protocol,
                first.measures,
                first.families,
            )
            for side in (1, -1)
        )
        parts.append((one - other).numpy())
    return np.concatenate(parts)


def data_set(results: ImageResults) -> Array:
    """Return the measures of the whole data set, float64 ``[M]``."""
    count = len(results.names)
    weights = torch.full((1, count), 1 / count, dtype=torch.float64)
    return np.asarray(_weighted(results, weights)[0])


def interval(samples: Array, count: int, level: float = 0.95) -> tuple[float, float]:
    """Return the expanded percentile interval of bootstrap samples ``[R]``.

    Plain percentiles are too narrow for few images; the level is raised as the t distribution is
    wider than the normal one.

    Args:
        samples: Bootstrap samples.
        count: Number N of images.
        level: Coverage, in [0, 1].

    Source: Hesterberg, The American Statistician 69:371-386, 2015, section 5.1.
    """
    freedom = max(count - 1, 1)
    reach = stats.t.ppf((1 + level) / 2, freedom) * np.sqrt(count / freedom)
    tail = stats.norm.sf(reach)
    low, high = np.quantile(samples, [tail, 1 - tail])
    return float(low), float(high)


def p_value(flips: Array, difference: float) -> float:
    """Return the two-sided p-value of a difference, given differences under the null hypothesis.

    The observed assignment is one of the possible ones: the smallest value is 1 / (R + 1).
    """
    slack = 1e-7  # of float32 sums
    extreme = np.count_nonzero(np.abs(flips) >= abs(difference) - slack)
    return float((extreme + 1) / (len(flips) + 1))


def holm(values: Array) -> Array:
    """Return p-values adjusted for their number.

    Source: Holm, Scandinavian Journal of Statistics 6:65-70, 1979.
    """
    order = np.argsort(values)
    factors = np.arange(len(values), 0, -1)
    adjusted = np.empty(len(values))
    adjusted[order] = np.minimum(np.maximum.accumulate(values[order] * factors), 1)
    return adjusted


def _blocks(resamples: int, count: int) -> Iterator[int]:
    """Yield numbers of resamples whose weights fit the memory."""
    largest = max(_BLOCK // max(count, 1), 1)
    while resamples > 0:
        yield min(resamples, largest)
        resamples -= largest


def _weighted(results: ImageResults, weights: Tensor) -> Array:
    means = _means(results, weights)
    summary = summarise(means, results.protocol, results.measures, results.families)
    return np.asarray(summary.numpy())


def _means(results: ImageResults, weights: Tensor) -> Measured:
    """Return weighted sums ``[R, ...]`` of the results of N images, for weights ``[R, N]``."""
    parts = []
    for part in results.measured:
        flat = part.reshape(len(part), -1)
        wide = flat.double() if flat.shape[1] < 100 else flat
        sums = (weights.to(wide.dtype) @ wide).double()
        parts.append(sums.reshape(len(weights), *part.shape[1:]))
    return Measured(*parts)
