"""Conversion of tensors to the precision that losses and probabilities need."""

import torch
from torch import Tensor


def full_precision(values: Tensor) -> Tensor:
    """Convert values to float32; float64 values are kept."""
    return values if values.dtype == torch.float64 else values.float()


def finite_logits(logits: Tensor) -> Tensor:
    """Convert logits to float32 at least and clamp to ±1e4, as half precision may overflow."""
    return full_precision(logits).clamp(-1e4, 1e4)
