"""Propagation of logits between similar tokens: random walks with restart."""

import torch.nn.functional as F
from torch import Tensor

from sod.core.precision import full_precision_region

STEPS = 10


@full_precision_region
def propagate(
    logits: Tensor, features: Tensor, share: float, power: float = 8.0, steps: int = STEPS
) -> Tensor:
    """Average the logit of each token with the logits of similar tokens.

    Each step is ``z ← (1 - share) z₀ + share P z``. The rows of ``P`` hold the positive cosine
    similarities of the features, raised to a power and normalised to a sum of 1 (Zhou et al.,
    Learning with Local and Global Consistency, NeurIPS 2003, with the transition matrix of the
    random walk). Logits stay within the range of ``z₀``.

    Args:
        logits: ``[B, 1, h, w]``.
        features: ``[B, C, h, w]``, on the same grid.
        share: Weight of the other tokens in each step, in [0, 1); 0 changes nothing.
        power: Exponent of the similarities; high values restrict the average to the most similar.
        steps: Number of steps.

    Returns:
        ``[B, 1, h, w]`` in float32.
    """
    start = logits.float().flatten(1)[..., None]
    tokens = F.normalize(features.float().flatten(2), dim=1)
    weights = (tokens.transpose(1, 2) @ tokens).clamp(min=0).pow(power)
    # A token with zero features is similar to none and keeps its own logit.
    totals = weights.sum(2, keepdim=True)
    values = start
    for _ in range(steps):
        averages = (weights @ values / totals.clamp(min=1e-12)).where(totals > 0, values)
        values = (1 - share) * start + share * averages
    return values[..., 0].view(logits.shape)
