"""Light heads on frozen patch features."""

import torch
from torch import Tensor, nn

from sod.core.distributed import sum_over_processes


class Standardise(nn.Module):
    """Subtract the mean and divide by the deviation of each channel, over all data seen so far.

    Frozen features have fixed statistics, so that they are counted exactly instead of forgotten
    exponentially: the first ``horizon`` training batches of all processes decide, then they stay.
    Unlike batch normalisation, a sample never depends on the rest of its batch once they are set,
    and several processes compute what one would. Of accumulated batches the first see statistics
    that the later ones are not in yet; all but those of the first steps are alike.

    Args:
        channels: Of the features.
        horizon: Training batches to count.
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
        """Count a training batch ``[B, C, h, w]``, unless enough have been counted."""
        if self.batches >= self.horizon:
            return
        values = features.detach().double().transpose(0, 1).flatten(1)
        new = torch.cat(
            [values.sum(1), values.square().sum(1), values.new_tensor([values.shape[1]])]
        )
        new = sum_over_processes(new)
        self.total += new[: len(values)]
        self.squares += new[len(values) : -1]
        self.count += new[-1]
        self.batches += 1

    def forward(self, features: Tensor) -> Tensor:
        """Standardise features ``[B, C, h, w]``; before anything was counted they stay as is."""
        count = self.count.clamp(min=1)
        mean = self.total / count
        variance = self.squares / count - mean.square()
        variance = torch.where(self.count > 0, variance.clamp(min=1e-12), 1.0)
        # Scale and shift in one pass: features of several blocks are large.
        scale = variance.rsqrt()
        shift, scale = ((v.float().view(1, -1, 1, 1)) for v in (-mean * scale, scale))
        return torch.addcmul(shift, features, scale)


class PatchHead(nn.Module):
    """A 1×1 convolution to one logit per patch: all that FOUND and PEEKABOO train.

    Args:
        channels: Of the features.
        standardise: Standardise the features first; published: no.
        zero_init: Start from zero weights, no opinion, instead of PyTorch's random ones.
    """

    def __init__(self, channels: int, standardise: bool = False, zero_init: bool = False) -> None:
        super().__init__()
        self.standardise = Standardise(channels) if standardise else None
        self.predict = nn.Conv2d(channels, 1, kernel_size=1)
        self.zero_init = zero_init
        if zero_init:
            self.reset()

    def reset(self, seed: int | None = None) -> None:
        """Forget what was learnt; the statistics of the features stay.

        Args:
            seed: Decides the new weights, alike in all processes; None: torch's own generator.
        """
        with torch.random.fork_rng([], enabled=seed is not None):
            if seed is not None:
                torch.manual_seed(seed)
            self.predict.reset_parameters()
        if self.zero_init:
            for parameter in self.predict.parameters():
                nn.init.zeros_(parameter)

    def observe(self, features: Tensor) -> None:
        """Count a training batch for the statistics of the features."""
        if self.standardise is not None:
            self.standardise.observe(features)

    def forward(self, features: Tensor) -> Tensor:
        """Return logits ``[B, 1, h, w]`` of features ``[B, C, h, w]``."""
        if self.standardise is not None:
            features = self.standardise(features)
        logits: Tensor = self.predict(features)
        return logits
