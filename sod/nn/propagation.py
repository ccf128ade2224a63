"""Logits carried along the affinity of their tokens: random walks with restart."""

import torch.nn.functional as F
from torch import Tensor

STEPS = 10


def propagate(
    logits: Tensor, features: Tensor, share: float, power: float = 8.0, steps: int = STEPS
) -> Tensor:
    """Average each token's logit with those of the tokens that look like it.

    Each step is ``z ← (1 - share) z₀ + share P z``, where ``P`` holds the positive cosines of the
    features to some power, its rows summing to 1 (Zhou et al., Learning with Local and Global
    Consistency, NeurIPS 2003, with the walk's matrix). Logits stay within their range.

    Args:
        logits: ``[B, 1, h, w]``.
        features: ``[B, C, h, w]`` of the same grid.
        share: What is taken from the others in each step, in [0, 1); 0 changes nothing.
        power: Of the cosines; higher listens to the most similar ones only.
        steps: Number of steps.

    Returns:
        ``[B, 1, h, w]`` in float32.
    """
    start = logits.float().flatten(1)[..., None]
    tokens = F.normalize(features.float().flatten(2), dim=1)
    weights = (tokens.transpose(1, 2) @ tokens).clamp(min=0).pow(power)
    # A token without any direction is similar to none: it keeps its own logit.
    totals = weights.sum(2, keepdim=True)
    values = start
    for _ in range(steps):
        around = (weights @ values / totals.clamp(min=1e-12)).where(totals > 0, values)
        values = (1 - share) * start + share * around
    return values[..., 0].view(logits.shape)
