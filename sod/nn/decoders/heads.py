"""Heads: features to logits, logits to saliency, logits and masks to a loss.

A binary head and a connectivity head are interchangeable, so that connectivity versus plain
segmentation is one option.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from torch import Tensor, nn

from sod.core.errors import SodError, suggest
from sod.nn.connectivity.cube import Aggregation, full_precision, saliency_from_logits
from sod.nn.connectivity.losses import ConnectivityWeights, connectivity_losses
from sod.nn.losses.saliency import binary_loss, dice_loss, iou_loss


@dataclass
class HeadConfig:
    """What a network predicts for each pixel.

    Args:
        kind: ``connectivity`` (a cube of pixel pairs) or ``binary`` (salient or not).
        aggregation: how the votes of a cube become saliency, ``mean`` (published) or ``max``.
        dilations: distance in pixels of each ring of eight neighbours of a cube.
        weights: of the terms of the loss; a binary head has its cross-entropy and takes ``dice``
            and ``iou`` from them.
    """

    kind: Literal["connectivity", "binary"] = "connectivity"
    aggregation: Aggregation = "mean"
    dilations: tuple[int, ...] = (1,)
    weights: ConnectivityWeights = field(default_factory=ConnectivityWeights)


class Head(nn.Module, ABC):
    """A 1×1 convolution and the meaning of its output.

    Args:
        channels: of the features.
        outputs: logits for each pixel.
    """

    def __init__(self, channels: int, outputs: int) -> None:
        super().__init__()
        self.predict = nn.Conv2d(channels, outputs, kernel_size=1)

    def forward(self, features: Tensor) -> Tensor:
        """Return logits ``[B, outputs, H, W]`` of features ``[B, channels, H, W]``."""
        logits: Tensor = self.predict(features)
        return logits

    @abstractmethod
    def saliency(self, logits: Tensor) -> Tensor:
        """Return saliency ``[B, 1, H, W]`` in [0, 1], in float32 at least."""

    @abstractmethod
    def losses(
        self,
        logits: Tensor,
        targets: Tensor,
        pixel_weights: Tensor | None = None,
        image_weights: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """Return ``loss`` and its terms, each a scalar.

        Args:
            logits: ``[B, outputs, H, W]``.
            targets: masks ``[B, 1, H, W]`` in [0, 1].
            pixel_weights: trust in the labels, ``[B, 1, H, W]``, or None.
            image_weights: trust in the images, ``[B]``, or None.
        """


class BinaryHead(Head):
    """Salient or not: one logit for each pixel. On frozen features, all that FOUND trains.

    Args:
        channels: of the features.
        dice: weight of the Dice term.
        iou: weight of the intersection over union term.
    """

    def __init__(self, channels: int, dice: float = 0.0, iou: float = 0.0) -> None:
        super().__init__(channels, outputs=1)
        self.dice = dice
        self.iou = iou

    def saliency(self, logits: Tensor) -> Tensor:
        """Return the sigmoid."""
        return full_precision(logits).sigmoid()

    def losses(
        self,
        logits: Tensor,
        targets: Tensor,
        pixel_weights: Tensor | None = None,
        image_weights: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """Return the cross-entropy ``binary`` and the terms that have a weight."""
        trust = (pixel_weights, image_weights)
        loss = binary = binary_loss(logits, targets, *trust)
        terms = {"binary": binary}
        for name, weight, term in (("dice", self.dice, dice_loss), ("iou", self.iou, iou_loss)):
            if weight:
                terms[name] = term(self.saliency(logits), targets, *trust)
                loss = loss + weight * terms[name]
        return {"loss": loss, **terms}


class ConnectivityHead(Head):
    """A cube: eight logits for each pixel and ring, one for each neighbour.

    Args:
        channels: of the features.
        aggregation: how votes become saliency.
        dilations: distance in pixels of each ring of neighbours.
        weights: of the terms of the loss; None for the published ones.
    """

    def __init__(
        self,
        channels: int,
        aggregation: Aggregation = "mean",
        dilations: Sequence[int] = (1,),
        weights: ConnectivityWeights | None = None,
    ) -> None:
        super().__init__(channels, outputs=8 * len(dilations))
        self.aggregation: Aggregation = aggregation
        self.dilations = tuple(dilations)
        self.weights = ConnectivityWeights() if weights is None else weights

    def saliency(self, logits: Tensor) -> Tensor:
        """Return the aggregated votes."""
        return saliency_from_logits(logits, self.aggregation, self.dilations)

    def losses(
        self,
        logits: Tensor,
        targets: Tensor,
        pixel_weights: Tensor | None = None,
        image_weights: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """Return the terms of `sod.nn.connectivity.losses`."""
        return connectivity_losses(
            logits,
            targets,
            self.weights,
            self.aggregation,
            self.dilations,
            pixel_weights,
            image_weights,
        )


def build_head(config: HeadConfig, channels: int) -> Head:
    """Build the head of a config on features of so many channels.

    Raises:
        SodError: if the kind is unknown.
    """
    if config.kind == "binary":
        return BinaryHead(channels, config.weights.dice, config.weights.iou)
    if config.kind == "connectivity":
        return ConnectivityHead(channels, config.aggregation, config.dilations, config.weights)
    known = ("connectivity", "binary")
    raise SodError(
        f"head.kind: '{config.kind}' is not one of {known}.{suggest(config.kind, known)}"
    )
