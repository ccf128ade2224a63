"""Normalized cuts of one image at several thresholds, from one similarity matrix."""

from collections.abc import Sequence

from torch import Tensor

from sod.core.precision import float64_device, full_precision_region
from sod.spectral.cut import Cut, cut_graphs, cut_implicit
from sod.spectral.graph import binary_weights, similarities
from sod.spectral.implicit import ImplicitGraph, is_large


@full_precision_region
def threshold_sweep(features: Tensor, taus: Sequence[float], eps: float = 1e-5) -> list[Cut]:
    """Cut an image by its binary graphs at several thresholds.

    The same cuts as :func:`sod.spectral.normalized_cut` gives one by one, but the similarities are
    computed once, unless the graph is too large for its matrix.

    Args:
        features: Dense features ``[C, h, w]``.
        taus: Thresholds on the cosine similarity.
        eps: Weight of the edges at or below the threshold, positive.

    Returns:
        One cut per threshold, on the device of the features.

    Raises:
        SodError: A feature is not finite or ``eps`` is not positive.
    """
    grid = (features.shape[1], features.shape[2])
    tokens = features.detach().flatten(1).T
    tokens = tokens.to(float64_device(tokens.device))
    if is_large(len(tokens)):
        graphs = (ImplicitGraph(tokens, tau, eps) for tau in taus)
        return [cut_implicit(graph, grid).to(features.device) for graph in graphs]
    similarity = similarities(tokens)
    cuts: list[Cut] = []
    for tau in taus:
        weights = binary_weights(similarity, tau, eps)
        cuts += cut_graphs(weights[None], grid)
    return [cut.to(features.device) for cut in cuts]
