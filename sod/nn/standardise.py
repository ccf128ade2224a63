"""Standardisation of features by statistics of the first training batches."""

import torch
from torch import Tensor

from sod.core.distributed import all_reduce_sum
from sod.core.precision import full_precision
from sod.nn.precision import KeepsPrecision

CHANNELS = 64
"""Channels that are summed together: their float64 values have to fit into a CPU's cache."""


class Standardise(KeepsPrecision):
    """Scale each channel to mean 0 and standard deviation 1 over the training data seen so far.

    Frozen features have fixed statistics. They are therefore summed exactly over the first
    ``horizon`` training batches of all processes, without a moving average, and then stay fixed.
    Unlike in batch normalisation, the result for a sample then does not depend on the rest of its
    batch, and several processes compute the same as one. With gradient accumulation, this equality
    holds once the statistics are fixed: before, earlier batches of a step use fewer samples.

    The statistics are float64 whatever the precision of the run, as their sums exceed the range of
    float16, and are on the CPU where a device has no float64.

    Args:
        channels: Number of channels of the features.
        horizon: Number of training batches to count.
    """

    def __init__(self, channels: int, horizon: int = 50) -> None:
        super().__init__()
        self.horizon = horizon
        self.total: Tensor
        self.squares: Tensor
        self.count: Tensor
        self.batches: Tensor
        self.register_buffer("total", torch.zeros(channels, dtype=torch.float64))
        self.register_buffer("squares", torch.zeros(channels, dtype=torch.float64))
        self.register_buffer("count", torch.zeros((), dtype=torch.float64))
        self.register_buffer("batches", torch.zeros((), dtype=torch.int64))

    def observe(self, features: Tensor) -> None:
        """Add a training batch ``[B, C, h, w]`` to the statistics, up to ``horizon`` batches."""
        if self.batches >= self.horizon:
            return
        features = features.detach().to(self.count.device)
        sums = [_sums(part) for part in torch.split(features, CHANNELS, dim=1)]
        number = self.count.new_tensor([features[:, 0].numel()])
        new = torch.cat([*(total for total, _ in sums), *(each for _, each in sums), number])
        new = all_reduce_sum(new)
        self.total += new[: len(self.total)]
        self.squares += new[len(self.total) : -1]
        self.count += new[-1]
        self.batches += 1

    def forward(self, features: Tensor) -> Tensor:
        """Standardise features ``[B, C, h, w]``; without statistics they are returned unchanged.

        The result is float32 at least.
        """
        count = self.count.clamp(min=1)
        mean = self.total / count
        variance = self.squares / count - mean.square()
        variance = torch.where(self.count > 0, variance.clamp(min=1e-12), 1.0)
        # Scale and shift in one pass, as the features of several blocks are large.
        scale = variance.rsqrt()
        factors = torch.stack([-mean * scale, scale]).float().to(features.device)
        shift, scale = factors.view(2, 1, -1, 1, 1)
        return torch.addcmul(shift, full_precision(features), scale)


def _sums(features: Tensor) -> tuple[Tensor, Tensor]:
    """Return the sums of the values and of their squares of each channel, float64 ``[C]``."""
    values = features.transpose(0, 1).flatten(1).double()
    return values.sum(1), values.square_().sum(1)
