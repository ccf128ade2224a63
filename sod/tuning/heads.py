"""Light heads on patch features: in seconds, how well a training on these features would go."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from scipy.optimize import minimize
from torch import Tensor

DECAY = 0.01
ITERATIONS = 25
TOKENS = 128
"""Tokens of an image that a head is trained on, drawn at random."""


class Head(NamedTuple):
    """A linear head on standardised features.

    Attributes:
        mean: Mean of each channel, ``[C]``.
        deviation: Standard deviation of each channel, ``[C]``.
        weights: ``[C]``.
        bias: ``[]``.
    """

    mean: Tensor
    deviation: Tensor
    weights: Tensor
    bias: Tensor

    def logits(self, features: Tensor) -> Tensor:
        """Return the logits ``[N]`` of features ``[N, C]``."""
        return (features.float() - self.mean) / self.deviation @ self.weights + self.bias


def fit_head(features: Tensor, targets: Tensor) -> Head:
    """Fit a logistic regression with weight decay by L-BFGS, from zero.

    Args:
        features: ``[N, C]``.
        targets: ``[N]`` in [0, 1].
    """
    features, targets = features.float(), targets.float()
    mean, deviation = features.mean(0), features.std(0, correction=0).clamp(min=1e-6)
    standard = (features - mean) / deviation

    def loss(parameters: npt.NDArray[np.float64]) -> tuple[float, npt.NDArray[np.float64]]:
        weights = torch.from_numpy(parameters).float()
        logits = standard @ weights[:-1] + weights[-1]
        entropy = F.binary_cross_entropy_with_logits(logits, targets)
        value = float(entropy + DECAY * weights[:-1].square().sum() / 2)
        slope = (logits.sigmoid() - targets) / len(targets)
        gradient = torch.cat([standard.T @ slope + DECAY * weights[:-1], slope.sum()[None]])
        return value, gradient.double().numpy()

    start = np.zeros(features.shape[1] + 1)
    found = minimize(loss, start, method="L-BFGS-B", jac=True, options={"maxiter": ITERATIONS})
    fitted = torch.from_numpy(found.x).float()
    return Head(mean, deviation, fitted[:-1], fitted[-1])


def crossed_heads(features: Sequence[Tensor], targets: Sequence[Tensor]) -> list[Head]:
    """Fit a head on each half of the images; each is to be applied to the other half.

    Args:
        features: Of each image, ``[N, C]``.
        targets: Of each image, ``[N]``.

    Returns:
        Two heads: the first has not seen the images of even index, the second those of odd index.
    """
    chosen = [_drawn(number, len(each)) for number, each in enumerate(targets)]
    return [
        fit_head(
            torch.cat([features[n][chosen[n]] for n in range(first, len(features), 2)]),
            torch.cat([targets[n][chosen[n]] for n in range(first, len(features), 2)]),
        )
        for first in (1, 0)
    ]


def _drawn(seed: int, count: int) -> Tensor:
    return torch.randperm(count, generator=torch.Generator().manual_seed(seed))[:TOKENS]
