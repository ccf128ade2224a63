"""Selection of attention heads: those that see objects, found by clustering their similarities."""

import torch
import torch.nn.functional as F
from torch import Tensor

from sod.core.precision import full_precision_region

TEMPERATURE = 60.0
CLUSTERS = 5
ROUNDS = 50
COMPARED = 400
"""Heads are compared on about this number of tokens at most, which bounds memory."""


@full_precision_region
def object_heads(heads: Tensor, blocks: Tensor, clusters: int = CLUSTERS) -> Tensor:
    """Choose the heads whose graph is cut.

    The similarities of all tokens within a head, from queries, keys and values alike, describe the
    head. The heads of all blocks are clustered by them, and the cluster with most members in the
    last block is kept (after object heads, CVPR 2026).

    Args:
        heads: Queries, keys and values of each head, ``[H, 3, N, D]``.
        blocks: Index of the block of each head, ``[H]``.
        clusters: Number of clusters, or the number of heads if there are fewer.

    Returns:
        Bool ``[H]``, True for the heads that are kept.
    """
    compared = heads[:, :, :: -(-heads.shape[2] // COMPARED)]
    rows = torch.stack([self_similarity(head).flatten() for head in compared])
    products = rows @ rows.T
    labels = cluster(products, min(clusters, len(heads)))
    last = labels[blocks == blocks.max()]
    return labels == int(torch.bincount(last).argmax())


def self_similarity(head: Tensor, temperature: float = TEMPERATURE) -> Tensor:
    """Return the mean of the softmax of the similarities of queries, of keys and of values.

    Args:
        head: ``[3, N, D]``.
        temperature: Factor on the cosines.

    Returns:
        ``[N, N]``, rows of sum 1.
    """
    unit = F.normalize(head.float(), dim=-1)
    return (temperature * unit @ unit.mT).softmax(-1).mean(0)


def cluster(products: Tensor, count: int) -> Tensor:
    """Divide vectors into clusters by k-means, from their inner products alone.

    The first centre is the vector that is nearest to the mean of all, each further one the vector
    that is farthest from its nearest centre; there is no randomness.

    Args:
        products: Inner products of all pairs, ``[n, n]``.
        count: Number of clusters, at most n.

    Returns:
        The cluster of each vector, ``[n]``.
    """
    squares = products.diag()
    between = squares[:, None] + squares - 2 * products
    centres = [int(between.mean(1).argmin())]
    while len(centres) < count:
        centres.append(int(between[:, centres].amin(1).argmax()))
    labels = between[:, centres].argmin(1)
    for _ in range(ROUNDS):
        members = F.one_hot(labels, count).to(products)
        means = members / members.sum(0).clamp(min=1)
        # |x - m|² = |x|² - 2 x·m + |m|², with m a mean of members; empty clusters attract nobody.
        distances = (means * (products @ means)).sum(0) - 2 * products @ means
        distances = distances.masked_fill(members.sum(0) == 0, torch.inf)
        moved = distances.argmin(1)
        if torch.equal(moved, labels):
            break
        labels = moved
    return labels


def joined(heads: Tensor) -> Tensor:
    """Return features whose cosine is the mean cosine over heads, queries, keys and values.

    Args:
        heads: ``[H, 3, N, D]``.

    Returns:
        ``[N, H * 3 * D]``.
    """
    unit = F.normalize(heads.float(), dim=-1)
    return unit.permute(2, 0, 1, 3).flatten(1)
