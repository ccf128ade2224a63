"""Losses that train a connectivity cube, on logits and in log space throughout.

A vote is a product of two sigmoids, whose logarithms and those of its complement are sums in log
space. Nothing is clamped near 0 or 1, so gradients stay finite and useful for any logit.
Source: BiconNet (Yang et al., PR 2022).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import log

import torch
import torch.nn.functional as F
from torch import Tensor

from sod.core.errors import SodError
from sod.nn.connectivity.cube import (
    Aggregation,
    cube_from_masks,
    edge_set,
    full_precision,
    neighbours,
    opposites,
)
from sod.nn.losses.saliency import binary_loss, dice_loss, finite_logits, iou_loss, weighted_mean

_NEVER = -1e4  # finite, as 0 * -inf would be NaN where a neighbour lies outside the image


@dataclass
class ConnectivityWeights:
    """Weights of the terms of the connectivity loss; zero leaves a term out.

    Args:
        decoupled: cross-entropy of the decoupled map and the mask.
        connectivity: cross-entropy of the cube and that of the mask, mean over channels.
        voted: cross-entropy of the votes and the cube of the mask, mean over channels.
        saliency: cross-entropy of the aggregated saliency and the mask.
        dice: Dice term of the aggregated saliency.
        iou: intersection over union term of the aggregated saliency.
    """

    decoupled: float = 1.0
    connectivity: float = 0.8
    voted: float = 0.2
    saliency: float = 0.0
    dice: float = 0.0
    iou: float = 0.0


@dataclass
class LogPair:
    """Logarithms of a probability and of its complement.

    Args:
        yes: log p, of any shape.
        no: log (1 - p), of the same shape.
    """

    yes: Tensor
    no: Tensor

    def cross_entropy(self, targets: Tensor) -> Tensor:
        """Return the cross-entropy with targets in [0, 1], element by element."""
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
    """Return the logarithms of the decoupled map (`sod.nn.connectivity.cube.decoupled_map`)."""
    saliency = log_saliency(votes, aggregation)
    broken = votes.no.amax(dim=1, keepdim=True)
    whole = votes.yes.amin(dim=1, keepdim=True)
    return LogPair(torch.where(edges, broken, saliency.yes), torch.where(edges, whole, saliency.no))


def pair_weights(pixel_weights: Tensor, dilations: Sequence[int] = (1,)) -> Tensor:
    """Return the trust in each pair ``[B, 8R, H, W]``: the product over its two pixels.

    Outside the image there is nothing to doubt, so that a pair across the border has the weight
    of its pixel.
    """
    pixel_weights = full_precision(pixel_weights)
    return pixel_weights * neighbours(pixel_weights, dilations, fill=1.0)


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
        targets: masks ``[B, 1, H, W]`` in [0, 1] at the resolution of the logits: a cube is never
            resized. Soft masks are allowed; their edges are those of the mask above one half, and
            the decoupled term takes an edge for wholly salient.
        weights: of the terms; the default is as published.
        aggregation: how votes become saliency.
        dilations: distance in pixels of each ring of neighbours.
        pixel_weights: ``[B, 1, H, W]`` trust in the labels, or None.
        image_weights: ``[B]`` trust in the images, or None.

    Returns:
        ``loss`` (a scalar) and, unweighted, each term whose weight is not zero.

    Raises:
        SodError: if every weight is zero, or the channels do not fit the rings.
    """
    weights = ConnectivityWeights() if weights is None else weights
    shares = {name: share for name, share in vars(weights).items() if share != 0}
    if not shares:
        raise SodError("connectivity loss: every weight is zero; set one of its terms above zero")
    with torch.autocast(logits.device.type, enabled=False):
        terms = _terms(logits, targets, aggregation, dilations, pixel_weights, image_weights)
        chosen = {name: terms[name]() for name in shares}
        loss = torch.stack([share * chosen[name] for name, share in shares.items()]).sum()
    return {"loss": loss, **chosen}


def _terms(
    logits: Tensor,
    targets: Tensor,
    aggregation: Aggregation,
    dilations: Sequence[int],
    pixel_weights: Tensor | None,
    image_weights: Tensor | None,
) -> dict[str, Callable[[], Tensor]]:
    votes = log_votes(logits, dilations)
    targets = targets.to(votes.yes)
    cube = cube_from_masks(targets, dilations)
    edges = edge_set(cube_from_masks(targets > 0.5, dilations))
    saliency = log_saliency(votes, aggregation)
    decoupled = log_decoupled(votes, edges, aggregation)
    # An edge is salient: doubt about it would meet the certain zero of a vote out of the image.
    firm = torch.where(edges, 1.0, targets)
    pixels = (pixel_weights, image_weights)
    pairs = (None if pixel_weights is None else pair_weights(pixel_weights, dilations), pixels[1])
    return {
        "decoupled": lambda: weighted_mean(decoupled.cross_entropy(firm), *pixels),
        "connectivity": lambda: binary_loss(logits, cube, *pairs),
        "voted": lambda: weighted_mean(votes.cross_entropy(cube), *pairs),
        "saliency": lambda: weighted_mean(saliency.cross_entropy(targets), *pixels),
        "dice": lambda: dice_loss(saliency.yes.exp(), targets, *pixels),
        "iou": lambda: iou_loss(saliency.yes.exp(), targets, *pixels),
    }
