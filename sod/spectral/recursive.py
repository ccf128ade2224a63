"""Several objects by repeated cuts: what was found is left out, and the rest is cut again."""

import torch
from torch import Tensor

from sod.core.precision import float64_device, full_precision_region
from sod.refinement.masks import seed_component
from sod.spectral.eigen import bipartition, first_peak, second_eigenvector
from sod.spectral.graph import Graph, affinity, is_uniform


@full_precision_region
def recursive_cuts(
    features: Tensor, count: int, tau: float = 0.2, eps: float = 1e-5, graph: Graph = "binary"
) -> list[Tensor]:
    """Cut an image, leave out the component that was found, and cut the rest again.

    The first result is the component of :func:`sod.spectral.normalized_cut`. MaskCut (Wang et al.,
    CVPR 2023) suppresses the edges of what was found; here its tokens leave the graph.

    Args:
        features: Dense features ``[C, h, w]``.
        count: Largest number of cuts.
        tau: Threshold on the cosine similarity.
        eps: Weight of the edges at or below the threshold, positive.
        graph: ``binary`` or ``weighted`` edges.

    Returns:
        Disjoint masks, bool ``[h, w]``, on the device of the features; fewer than ``count`` where
        the rest has no cut.
    """
    height, width = features.shape[1:]
    tokens = features.detach().flatten(1).mT
    tokens = tokens.to(float64_device(tokens.device))
    left = torch.ones(height * width, dtype=torch.bool, device=tokens.device)
    found: list[Tensor] = []
    for _ in range(count):
        places = left.nonzero()[:, 0]
        if len(places) < 2:
            break
        weights = affinity(tokens[places], tau, eps, graph)
        if is_uniform(weights).item():
            break
        vector = second_eigenvector(weights)
        side = torch.zeros_like(left)
        side[places] = bipartition(vector)
        seed = places[first_peak(vector)].view(1)
        mask = seed_component(side.view(1, 1, height, width), seed)[0, 0]
        found.append(mask.to(features.device))
        left &= ~mask.flatten()
    return found
