"""From an eigenvector to the object: bipartition, seed, its component and its box."""

from dataclasses import dataclass

import torch
from scipy import ndimage
from torch import Tensor

from sod.spectral.eigen import Method, first_peak, second_eigenvector
from sod.spectral.graph import Graph, affinity, is_uniform

Box = tuple[int, int, int, int]


@dataclass(frozen=True)
class Cut:
    """What a normalized cut says about one image, on the grid of its tokens.

    Attributes:
        eigenvector: The second eigenvector, float32 ``[h, w]``, positive at the seed.
        partition: The seed's side of the cut, bool ``[h, w]``.
        component: The 4-connected part of the partition that holds the seed, bool ``[h, w]``.
        seed: Row and column of the eigenvector's largest magnitude, or None without a cut.
        box: Left, top, right, bottom of the component in tokens, the last two exclusive, or None.
    """

    eigenvector: Tensor
    partition: Tensor
    component: Tensor
    seed: tuple[int, int] | None
    box: Box | None


def normalized_cut(
    features: Tensor,
    tau: float = 0.2,
    eps: float = 1e-5,
    graph: Graph = "binary",
    method: Method = "auto",
) -> Cut:
    """Cut an image in two by its features (TokenCut, arXiv 2202.11539, steps 2 to 6).

    Where all tokens are alike, or all differ, or there is only one, no cut is better than another:
    nothing stands out, and the result is an empty one (zeros, no seed, no box).

    Args:
        features: Dense features ``[C, h, w]``.
        tau: Threshold on the cosine similarity.
        eps: Weight of the edges below it, above 0.
        graph: ``binary`` or ``weighted`` edges.
        method: How to solve for the eigenvector.

    Returns:
        The cut, on the features' device; finite for every finite input.

    Raises:
        SodError: If a feature is not finite or ``eps`` is not positive.
    """
    height, width = features.shape[1:]
    tokens = features.detach().flatten(1).T
    # Apple's GPUs have no float64, which the small eps needs.
    weights = affinity(tokens.cpu() if tokens.device.type == "mps" else tokens, tau, eps, graph)
    if is_uniform(weights):
        return _empty(height, width, features.device)
    vector = second_eigenvector(weights, method)
    partition = bipartition(vector)
    seed = divmod(first_peak(vector), width)
    component, box = seed_component(partition.view(height, width), seed)
    return Cut(
        eigenvector=vector.view(height, width).float().to(features.device),
        partition=partition.view(height, width).to(features.device),
        component=component.to(features.device),
        seed=seed,
        box=box,
    )


def bipartition(eigenvector: Tensor) -> Tensor:
    """Return the tokens on the seed's side: strictly above the mean once the seed is positive.

    Args:
        eigenvector: The second eigenvector ``[N]``, of either sign.

    Returns:
        Bool ``[N]``; all False for a constant vector.
    """
    if eigenvector[first_peak(eigenvector)] < 0:
        eigenvector = -eigenvector
    return eigenvector > eigenvector.mean()


def seed_component(partition: Tensor, seed: tuple[int, int]) -> tuple[Tensor, Box | None]:
    """Return the 4-connected component of ``partition`` that holds ``seed``, and its box.

    Args:
        partition: Bool ``[h, w]``.
        seed: Row and column of one token.

    Returns:
        Bool ``[h, w]`` and the tight box (left, top, right, bottom; the last two exclusive). All
        False and None where the seed is not in the partition.
    """
    labels, _ = ndimage.label(partition.cpu().numpy())
    label = labels[seed]
    if label == 0:
        return torch.zeros_like(partition), None
    rows, columns = ndimage.find_objects(labels)[label - 1]
    box = (columns.start, rows.start, columns.stop, rows.stop)
    return torch.from_numpy(labels == label).to(partition.device), box


def pixel_box(box: Box, patch_size: int, size: tuple[int, int]) -> Box:
    """Scale a box of tokens to pixels and clip it to the image.

    Args:
        box: Left, top, right, bottom in tokens.
        patch_size: Side of a token in pixels.
        size: Height and width of the image without its padding.

    Returns:
        Left, top, right, bottom in pixels, the last two exclusive.
    """
    height, width = size
    left, top, right, bottom = (edge * patch_size for edge in box)
    return left, top, min(right, width), min(bottom, height)


def _empty(height: int, width: int, device: torch.device) -> Cut:
    """Return the cut of an image in which nothing stands out."""
    nothing = torch.zeros(height, width, dtype=torch.bool, device=device)
    return Cut(nothing.float(), nothing, nothing.clone(), seed=None, box=None)
