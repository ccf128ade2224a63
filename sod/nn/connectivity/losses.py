"""Losses of connectivity cubes, computed from logits in log space.

A vote is a product of two sigmoids. In log space, the vote and its complement are sums. No
probability is clamped near 0 or 1, so that gradients stay finite and useful for any logit.
Source: BiconNet (Yang et al., PR 2022).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import log

import torch
import torch.nn.functional as F
from torch import Tensor

from sod.core.errors import SodError
from sod.core.precision import full_precision, full_precision_region
from sod.nn.connectivity.cube import (
    Aggregation,
    cube_from_masks,
    edge_set,
    neighbours,
    opposites,
)
from sod.nn.losses.saliency import binary_loss, dice_loss, iou_loss, weighted_mean
from sod.nn.precision import finite_logits

_NEVER = -1e4  # finite, as 0 * -inf would be NaN where a neighbour lies outside the image


@dataclass
class ConnectivityWeights:
    """Weights of the terms of the connectivity loss; zero leaves a term out.

    Args:
        decoupled: Cross-entropy of the decoupled map against the mask.
        connectivity: Cross-entropy of the cube against that of the mask, mean over channels.
        voted: Cross-entropy of the votes against the cube of the mask, mean over channels.
        saliency: Cross-entropy of the aggregated saliency against the mask.
        dice: Dice loss of the aggregated saliency.
        iou: Intersection-over-union loss of the aggregated saliency.
    """

    decoupled: float = 1.0
    connectivity: float = 0.8
    voted: float = 0.2
    saliency: float = 0.0
    dice: float = 0.0
    iou: float = 0.0


@dataclass
class LogPair:
    """Logarithms of a probability ``p`` and of its complement.

    Args:
        yes: ``log p``, of any shape.
        no: ``log(1 - p)``, of the same shape.
    """

    yes: Tensor
    no: Tensor

    def cross_entropy(self, targets: Tensor) -> Tensor:
        """Return the element-wise cross-entropy against targets in [0, 1]."""
        return -(targets * self.yes + (1 - targets) * self.no)


def log_votes(logits: Tensor, dilations: Sequence[int] = (1,)) -> LogPair:
    """Return the logarithms of the votes of cube logits ``[B, 8R, H, W]``, in float32 at least.

    With ``a`` and ``b`` the logits of the two directions of a pair, the complement is
    ``1 - σ(a) σ(b) = σ(-a) + σ(a) σ(-b)``, a sum of positive terms.
    """
    logits = finite_logits(logits)
    yes, no = F.logsigmoid(logits), F.logsigmoid(-logits)
    partner_yes = neighbours(opposites(yes), dilations, fill=_NEVER)
    partner_no = neighbours(opposites(no), dilations)
    return LogPair(yes + partner_yes, torch.logaddexp(no, yes + partner_no))


def log_saliency(votes: LogPair, aggregation: Aggregation = "mean") -> LogPair:
    """Return the logarithms of the aggregated saliency, each ``[B, 1, H, W]``."""
    if aggregation == "mean":
        count = log(votes.yes.shape[1])
        return LogPair(
            votes.yes.logsumexp(dim=1, keepdim=True) - count,
            votes.no.logsumexp(dim=1, keepdim=True) - count,
        )
    return LogPair(votes.yes.amax(dim=1, keepdim=True), votes.no.amin(dim=1, keepdim=True))


def log_decoupled(votes: LogPair, edges: Tensor, aggregation: Aggregation = "mean") -> LogPair:
    """Return the logarithms of BiconNet's decoupled map, each ``[B, 1, H, W]``.

    The map is the saliency off the edges, and ``1 - min_k`` of the votes on them: there it is high
    where some connection is surely missing.

    Args:
        votes: Votes ``[B, 8R, H, W]``.
        edges: Bool ``[B, 1, H, W]``, the edges of the target mask.
        aggregation: Reduction of the votes to saliency off the edges.
    """
    saliency = log_saliency(votes, aggregation)
    broken = votes.no.amax(dim=1, keepdim=True)
    whole = votes.yes.amin(dim=1, keepdim=True)
    return LogPair(torch.where(edges, broken, saliency.yes), torch.where(edges, whole, saliency.no))


def pair_weights(pixel_weights: Tensor, dilations: Sequence[int] = (1,)) -> Tensor:
    """Return the weight of each pair ``[B, 8R, H, W]``: the product of those of its two pixels.

    Pixels outside the image have the weight 1, as they are certainly not salient. A pair across the
    border therefore has the weight of its pixel inside.

    Args:
        pixel_weights: ``[B, 1, H, W]``.
        dilations: Distance in pixels of each ring of neighbours.
    """
    pixel_weights = full_precision(pixel_weights)
    return pixel_weights * neighbours(pixel_weights, dilations, fill=1.0)


@full_precision_region
def connectivity_losses(
    logits: Tensor,
    targets: Tensor,
    weights: ConnectivityWeights | None = None,
    aggregation: Aggregation = "mean",
    dilations: Sequence[int] = (1,),
    pixel_weights: Tensor | None = None,
    image_weights: Tensor | None = None,
) -> dict[str, Tensor]:
    """Return the connectivity loss and its terms.

    Args:
        logits: ``[B, 8R, H, W]``, of any floating type.
        targets: Masks ``[B, 1, H, W]`` in [0, 1] at the resolution of the logits: a cube is never
            resized. Soft masks are allowed; their edges are those of the mask above one half, and
            the decoupled term treats edge pixels as fully salient.
        weights: Weights of the terms, the published ones by default.
        aggregation: Reduction of votes to saliency.
        dilations: Distance in pixels of each ring of neighbours.
        pixel_weights: Weights of the pixels, ``[B, 1, H, W]``, or None.
        image_weights: Weights of the images, ``[B]``, or None.

    Returns:
        ``loss`` (a scalar) and, unweighted, each term whose weight is not zero.

    Raises:
        SodError: If every weight is zero, or the channels do not match the rings.
    """
    weights = ConnectivityWeights() if weights is None else weights
    factors = {name: factor for name, factor in vars(weights).items() if factor != 0}
    if not factors:
        raise SodError("connectivity loss: every weight is zero; set one of its terms above zero")
    terms = _terms(logits, targets, aggregation, dilations, pixel_weights, image_weights)
    values = {name: terms[name]() for name in factors}
    loss = torch.stack([factor * values[name] for name, factor in factors.items()]).sum()
    return {"loss": loss, **values}


def _terms(
    logits: Tensor,
    targets: Tensor,
    aggregation: Aggregation,
    dilations: Sequence[int],
    pixel_weights: Tensor | None,
    image_weights: Tensor | None,
) -> dict[str, Callable[[], Tensor]]:
    """Return a function without arguments for every term, so that unused ones are not computed."""
    votes = log_votes(logits, dilations)
    targets = targets.to(votes.yes)
    cube = cube_from_masks(targets, dilations)
    edges = edge_set(cube_from_masks(targets > 0.5, dilations))
    saliency = log_saliency(votes, aggregation)
    decoupled = log_decoupled(votes, edges, aggregation)
    # A soft target there would be compared with the exact zero of votes across the image border.
    hard_edges = torch.where(edges, 1.0, targets)
    pixels = (pixel_weights, image_weights)
    pairs = (None if pixel_weights is None else pair_weights(pixel_weights, dilations), pixels[1])
    return {
        "decoupled": lambda: weighted_mean(decoupled.cross_entropy(hard_edges), *pixels),
        "connectivity": lambda: binary_loss(logits, cube, *pairs),
        "voted": lambda: weighted_mean(votes.cross_entropy(cube), *pairs),
        "saliency": lambda: weighted_mean(saliency.cross_entropy(targets), *pixels),
        "dice": lambda: dice_loss(saliency.yes.exp(), targets, *pixels),
        "iou": lambda: iou_loss(saliency.yes.exp(), targets, *pixels),
    }
