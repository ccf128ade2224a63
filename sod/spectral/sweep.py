"""Normalized cuts of one image at several thresholds, from one similarity matrix."""

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from scipy.linalg import eigh_tridiagonal
from torch import Tensor

from sod.core.errors import SodError
from sod.core.precision import full_precision_region
from sod.refinement.masks import seed_component
from sod.spectral.cut import Cut
from sod.spectral.eigen import bipartition, first_peak, second_eigenvector
from sod.spectral.lanczos import EXHAUSTED, GOLDEN, MAX_STEPS

TOLERANCE = 1e-6
"""Largest angle between the Ritz vector and the eigenvector, in radians."""
FIRST_CHECK, CHECK_EVERY = 10, 5

FloatArray = npt.NDArray[np.floating]


@full_precision_region
def threshold_sweep(features: Tensor, taus: Sequence[float], eps: float = 1e-5) -> list[Cut]:
    """Cut an image by its binary graphs at several thresholds.

    The same cuts as :func:`sod.spectral.normalized_cut` gives one by one, except that the
    eigenvectors are accurate to 1e-6 instead of 1e-9: several times faster on a CPU, where all of
    it is computed.

    Args:
        features: Dense features ``[C, h, w]``.
        taus: Thresholds on the cosine similarity.
        eps: Weight of the edges at or below the threshold, positive.

    Returns:
        One cut per threshold, on the CPU.

    Raises:
        SodError: A feature is not finite.
    """
    height, width = features.shape[1:]
    tokens = F.normalize(features.detach().flatten(1).T.float(), dim=1).cpu()
    if not torch.isfinite(tokens).all():
        raise SodError("features hold NaN or infinite values: check the weights and the precision")
    similarity = (tokens @ tokens.T).numpy()
    return [_cut(similarity > np.float32(tau), eps, height, width) for tau in taus]


def _cut(near: npt.NDArray[np.bool_], eps: float, height: int, width: int) -> Cut:
    edges = int(near.sum()) - int(near.diagonal().sum())
    if edges in (0, near.size - len(near)):  # all edges are equal: no cut is better than another
        return Cut.empty((height, width), torch.device("cpu"))
    weights = np.where(near, 1.0, eps)
    vector = torch.from_numpy(_second_eigenvector(weights))
    peak = int(first_peak(vector))
    vector = vector if vector[peak] > 0 else -vector
    partition = bipartition(vector).view(height, width)
    component = seed_component(partition[None, None], torch.tensor([peak]))[0, 0]
    eigenvector = vector.view(height, width).float()
    return Cut(eigenvector, partition, component, divmod(peak, width))


def _second_eigenvector(weights: FloatArray) -> FloatArray:
    """Return ``y`` of ``(D - W) y = λ D y`` as in :mod:`sod.spectral.eigen`, by NumPy.

    On a few hundred tokens the steps are so short that the cost of calling PyTorch dominates.
    """
    count = len(weights)
    root = np.sqrt(weights @ np.ones(count))
    inverse = 1 / root
    limit = min(MAX_STEPS, count - 1)
    basis = np.empty((limit + 2, count))
    basis[0] = root / math.sqrt(root @ root)
    basis[1] = _orthonormal(np.arange(1, count + 1) * GOLDEN % 1 - 0.5, basis[:1])[0]
    diagonal, beside = np.empty(limit), np.empty(limit)
    for step in range(1, limit + 1):
        image = (weights @ (basis[step] * inverse)) * inverse
        diagonal[step - 1] = image @ basis[step]
        basis[step + 1], beside[step - 1] = _orthonormal(image, basis[: step + 1])
        complete = step == count - 1 or beside[step - 1] < EXHAUSTED
        if complete or (step >= FIRST_CHECK and step % CHECK_EVERY == 0):
            ritz = _ritz_vector(diagonal[:step], beside[:step], complete)
            if ritz is not None:
                return (ritz @ basis[1 : step + 1]) * inverse
    return second_eigenvector(torch.from_numpy(weights), "dense").numpy()


def _ritz_vector(diagonal: FloatArray, beside: FloatArray, complete: bool) -> FloatArray | None:
    """Return the leading Ritz vector in the Lanczos basis, or None if it is not accurate yet."""
    last = len(diagonal) - 1
    if last == 0:
        return np.ones(1)
    values, vectors = eigh_tridiagonal(
        diagonal, beside[:-1], select="i", select_range=(last - 1, last), check_finite=False
    )
    errors = beside[-1] * abs(vectors[-1])
    # Angle of the Ritz vector: residual / gap, the gap reduced by the error of the next value.
    accurate = errors[-1] < TOLERANCE * (values[-1] - values[-2] - errors[-2])
    return np.asarray(vectors[:, -1]) if complete or accurate else None


def _orthonormal(vector: FloatArray, basis: FloatArray) -> tuple[FloatArray, float]:
    """Project ``vector`` off ``basis``; return the normalised remainder and its length."""
    before = math.sqrt(vector @ vector)
    vector = vector - (basis @ vector) @ basis
    length = math.sqrt(vector @ vector)
    if length < 0.1 * before:  # after cancellation, rounding errors are not orthogonal yet
        vector = vector - (basis @ vector) @ basis
        length = math.sqrt(vector @ vector)
    return vector / max(length, 1e-300), length
