"""Graphs of tokens, and the normalized cut by a dense solver."""

import numpy as np
import scipy.linalg
import torch
from torch import Tensor

from sod.spectral.eigen import first_peak


def oracle(weights: Tensor) -> Tensor:
    """Return the second eigenvector of the dense generalized problem, as published, in float64."""
    matrix = weights.double().cpu().numpy()
    degrees = np.diag(matrix.sum(1))
    _, vectors = scipy.linalg.eigh(degrees - matrix, degrees, subset_by_index=[1, 1])
    vector = torch.from_numpy(vectors[:, 0])
    return vector if vector[first_peak(vector)] > 0 else -vector


def clusters(count: int, seed: int, channels: int = 6) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    centres = torch.randn(3, channels, generator=generator)
    noise = 0.7 * torch.randn(count, channels, generator=generator)
    return centres[torch.randint(3, (count,), generator=generator)] + noise


def path_graph(count: int) -> Tensor:
    weights = torch.zeros(count, count, dtype=torch.float64)
    step = torch.arange(count - 1)
    weights[step, step + 1] = weights[step + 1, step] = 1.0
    return weights
