"""Light heads on frozen patch features."""

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sod.errors import SodError
from sod.processes import sum_over_processes


class Standardise(nn.Module):
    """Subtract the mean and divide by the deviation of each channel, over all data seen so far.

    Frozen features have fixed statistics, so that they are counted exactly instead of forgotten
    exponentially: the first ``horizon`` training batches of all processes decide, then they stay.
    Unlike batch normalisation, a sample never depends on the rest of its batch once they are set,
    and several processes compute what one would.

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
        shape = (1, -1, 1, 1)
        return (features - mean.float().view(shape)) / variance.sqrt().float().view(shape)


@dataclass(frozen=True)
class PatchHeadConfig:
    """What is trained on the features.

    Args:
        kind: ``linear``: a 1×1 convolution, as published; ``residual``: a perceptron with one
            hidden layer is added to it.
        standardise: Standardise each channel of the features; published: no.
        zero_init: The linear part starts from zero weights instead of random ones; published: no.
        width: Hidden channels of the perceptron.
        dropout: Share of the hidden channels that is dropped in training; of the features, it is
            two fifths of that.
    """

    kind: Literal["linear", "residual"] = "linear"
    standardise: bool = False
    zero_init: bool = False
    width: int = 32
    dropout: float = 0.5

    def __post_init__(self) -> None:
        """Refuse values that mean nothing, naming the field."""
        if self.kind not in ("linear", "residual"):
            raise SodError(f"head.kind: '{self.kind}' is none of linear, residual")
        if self.width < 1 or not 0 <= self.dropout < 1:
            raise SodError(
                f"head: width {self.width} must be at least 1, dropout {self.dropout} in [0, 1)"
            )


class PatchHead(nn.Module):
    """One logit per patch; with the kind ``linear`` all that FOUND and PEEKABOO train.

    Args:
        channels: Of the features.
        config: What is trained.
    """

    def __init__(self, channels: int, config: PatchHeadConfig) -> None:
        super().__init__()
        self.config = config
        self.standardise = Standardise(channels) if config.standardise else None
        self.predict = nn.Conv2d(channels, 1, kernel_size=1)
        self.enter: nn.Conv2d | None = None
        if config.kind == "residual":
            self.enter = nn.Conv2d(channels, config.width, kernel_size=1)
            self.leave = nn.Conv2d(config.width, 1, kernel_size=1)
        self.seed = 0
        self._zero()

    def reset(self, seed: int) -> None:
        """Forget what was learnt; the statistics of the features stay.

        Args:
            seed: Decides the new weights, alike in all processes.
        """
        with torch.random.fork_rng([]):
            torch.manual_seed(seed)
            for layer in self.children():
                if isinstance(layer, nn.Conv2d):
                    layer.reset_parameters()
        self._zero()

    def observe(self, features: Tensor) -> None:
        """Count a training batch for the statistics of the features."""
        if self.standardise is not None:
            self.standardise.observe(features)

    def forward(self, features: Tensor) -> Tensor:
        """Return logits ``[B, 1, h, w]`` of features ``[B, C, h, w]``."""
        if self.standardise is not None:
            features = self.standardise(features)
        logits: Tensor = self.predict(features)
        if self.enter is None:
            return logits
        hidden = F.gelu(self.enter(self._drop(features, 0.4 * self.config.dropout)))
        residual: Tensor = self.leave(self._drop(hidden, self.config.dropout))
        return logits + residual

    def _zero(self) -> None:
        if self.config.zero_init:
            for parameter in self.predict.parameters():
                nn.init.zeros_(parameter)

    def _drop(self, values: Tensor, share: float) -> Tensor:
        """Drop out by ``seed`` alone: a resumed run must drop what the whole one would have."""
        if not self.training or not share:
            return values
        generator = torch.Generator(values.device).manual_seed(self.seed)
        kept = torch.rand(values.shape, generator=generator, device=values.device) >= share
        return values * kept / (1 - share)
