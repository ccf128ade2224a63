"""One step of PEEKABOO and FOUND, written plainly in NumPy, OpenCV, SciPy and float64.

As in the published code (PEEKABOO: ``train.py`` and ``misc.py``), except that the refinement always
keeps the foreground, where the published one drops the label with the most pixels.
"""

from typing import NamedTuple

import cv2
import numpy as np
import scipy.linalg
import scipy.ndimage as ndi
import torch
from numpy.typing import NDArray
from torch import Tensor

from helpers import bilateral_oracle

Array = NDArray[np.float64]


class Refined(NamedTuple):
    """ζ of one mask: the target per patch, whether it was accepted, and the solver's output."""

    target: Array
    accepted: bool
    soft: Array


def zeta(image: Tensor, binary: Tensor, downsample: str = "any") -> Refined:
    """Refine a binary mask ``[h, w]`` along the edges of an image ``[3, H, W]`` in [0, 1]."""
    height, width = image.shape[1:]
    coarse = binary.double().numpy()
    full = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR)
    levels = (image.double() * 255).round().permute(1, 2, 0).numpy()
    options = {"sigma_spatial": 16, "sigma_luma": 16, "sigma_chroma": 8, "lam": 256}
    soft = bilateral_oracle.solve(levels, full, **options)
    mask = np.asarray(ndi.binary_fill_holes(soft > 0.5))
    union = (mask | (full > 0.5)).sum()
    if not union or (mask & (full > 0.5)).sum() / union <= 0.5:
        return Refined(coarse, False, soft)
    if downsample == "area":
        rows, columns = coarse.shape
        blocks = mask.reshape(rows, height // rows, columns, width // columns)
        return Refined(blocks.mean((1, 3)), True, soft)
    small = cv2.resize(mask.astype(np.float64), (coarse.shape[1], coarse.shape[0]))
    return Refined((small > {"any": 0, "half": 0.5}[downsample]).astype(np.float64), True, soft)


def cut(features: Array, tau: float) -> Tensor:
    """Return TokenCut's object of features ``[C, h, w]``, bool ``[h, w]``.

    Tokens with equal edges have equal entries up to rounding; the seed is the first of them.
    """
    tokens = features.reshape(len(features), -1).T
    tokens = tokens / np.linalg.norm(tokens, axis=1, keepdims=True)
    weights = np.where(tokens @ tokens.T > tau, 1.0, 1e-5)
    degrees = np.diag(weights.sum(1))
    vector = scipy.linalg.eigh(degrees - weights, degrees, subset_by_index=[1, 1])[1][:, 0]
    seed = int((np.abs(vector) > np.abs(vector).max() - 1e-9).argmax())
    above = vector > vector.mean()
    labels = ndi.label((above if above[seed] else ~above).reshape(features.shape[1:]))[0]
    return torch.from_numpy(labels == labels.flat[seed])


def bce(logits: Tensor, targets: Tensor) -> Tensor:
    """Return the cross-entropy of each image ``[B]`` of logits and targets ``[B, h, w]``."""
    present, absent = torch.log(1 + torch.exp(-logits)), torch.log(1 + torch.exp(logits))
    return (targets * present + (1 - targets) * absent).mean((1, 2))


def mse(left: Tensor, right: Tensor) -> Tensor:
    """Return the mean square of a difference."""
    return ((left - right) ** 2).mean()


def contrast_weights(refined: list[Refined]) -> Tensor:
    """Return the weight of each image ``[B]``: its contrast, from 0.2 to 0.7, mapped to 0.1..1."""
    weights = []
    for soft in (each.soft for each in refined):
        rim = np.ones(soft.shape, bool)
        rim[1:-1, 1:-1] = False
        contrast = soft[soft > 0.05].mean() - soft[rim].mean()
        weights.append(min(max((contrast - 0.2) / 0.5, 0.1), 1.0))
    return torch.tensor(weights, dtype=torch.float64)


def stacked(refined: list[Refined]) -> Tensor:
    """Return the targets of all images, ``[B, h, w]``."""
    return torch.from_numpy(np.stack([each.target for each in refined]))
