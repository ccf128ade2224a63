"""Logits in the precision that losses need, and modules that keep the precision of their values."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from typing_extensions import Self

from sod.core.precision import float64_device, full_precision


def finite_logits(logits: Tensor) -> Tensor:
    """Convert logits to float32 at least and clamp to ±1e4, as half precision may overflow."""
    return full_precision(logits).clamp(-1e4, 1e4)


class KeepsPrecision(nn.Module):
    """Base class of modules whose parameters and buffers are not converted to a lower precision.

    They follow the module to its device, except that float64 values stay on the CPU where the
    device has no float64.
    """

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        """Move parameters and buffers as ``fn`` does, and raise their precision if it does.

        Args:
            fn: Function of ``nn.Module`` that converts or moves one tensor.
            recurse: Whether to include the children.
        """

        def move(tensor: Tensor) -> Tensor:
            probe = fn(torch.empty(0, dtype=torch.float32, device=tensor.device))
            dtype = tensor.dtype
            if tensor.is_floating_point():
                dtype = torch.promote_types(dtype, probe.dtype)
            place = float64_device(probe.device) if dtype == torch.float64 else probe.device
            return tensor.to(place, dtype)

        super()._apply(move, recurse)  # type: ignore[no-untyped-call]
        return self
