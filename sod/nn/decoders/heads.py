"""Heads, which map features to logits, logits to saliency, and logits and masks to a loss.

Binary and connectivity heads are interchangeable: the choice between connectivity and plain
segmentation is a single option.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from torch import Tensor, nn

from sod.core.errors import SodError, suggest
from sod.core.precision import full_precision
from sod.nn.connectivity.cube import Aggregation, saliency_from_logits
from sod.nn.connectivity.losses import ConnectivityWeights, connectivity_losses
from sod.nn.losses.saliency import binary_loss, dice_loss, iou_loss


@dataclass
class HeadConfig:
    """Configuration of the prediction for each pixel.

    Args:
        kind: ``connectivity`` (a cube of pixel pairs) or ``binary`` (salient or not).
        aggregation: Reduction of the votes of a cube to saliency, ``mean`` (published) or ``max``.
        dilations: Distance in pixels of each ring of eight neighbours of a cube.
        weights: Weights of the loss terms; a binary head uses only ``dice`` and ``iou``, beside
            its cross-entropy of weight 1.
    """

    kind: Literal["connectivity", "binary"] = "connectivity"
    aggregation: Aggregation = "mean"
    dilations: tuple[int, ...] = (1,)
    weights: ConnectivityWeights = field(default_factory=ConnectivityWeights)


class Head(nn.Module, ABC):
    """Base class of heads: a 1×1 convolution, the saliency of its output and the loss.

    Args:
        channels: Number of channels of the features.
        outputs: Number of logits per pixel.
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
            targets: Masks ``[B, 1, H, W]`` in [0, 1].
            pixel_weights: Weights of the pixels, ``[B, 1, H, W]``, or None.
            image_weights: Weights of the images, ``[B]``, or None.
        """


class BinaryHead(Head):
    """Binary head: one logit per pixel. FOUND trains only such a head, on frozen features.

    Args:
        channels: Number of channels of the features.
        dice: Weight of the Dice loss.
        iou: Weight of the intersection-over-union loss.
    """

    def __init__(self, channels: int, dice: float = 0.0, iou: float = 0.0) -> None:
        super().__init__(channels, outputs=1)
        self.dice = dice
        self.iou = iou

    def saliency(self, logits: Tensor) -> Tensor:
        """Return the sigmoid of the logits."""
        return full_precision(logits).sigmoid()

    def losses(
        self,
        logits: Tensor,
        targets: Tensor,
        pixel_weights: Tensor | None = None,
        image_weights: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """Return ``loss``, the cross-entropy ``binary`` and the other terms with a weight."""
        weights = (pixel_weights, image_weights)
        loss = binary = binary_loss(logits, targets, *weights)
        terms = {"binary": binary}
        for name, factor, term in (("dice", self.dice, dice_loss), ("iou", self.iou, iou_loss)):
            if factor:
                terms[name] = term(self.saliency(logits), targets, *weights)
                loss = loss + factor * terms[name]
        return {"loss": loss, **terms}


class ConnectivityHead(Head):
    """Connectivity head: for each pixel and ring, eight logits, one per neighbour.

    Args:
        channels: Number of channels of the features.
        aggregation: Reduction of votes to saliency.
        dilations: Distance in pixels of each ring of neighbours.
        weights: Weights of the loss terms; None for the published ones.
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
        """Return ``loss`` and the terms of `sod.nn.connectivity.losses`."""
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
    """Build a head.

    Args:
        config: Kind and options of the head.
        channels: Number of channels of the features.

    Raises:
        SodError: If the kind is unknown.
    """
    if config.kind == "binary":
        return BinaryHead(channels, config.weights.dice, config.weights.iou)
    if config.kind == "connectivity":
        return ConnectivityHead(channels, config.aggregation, config.dilations, config.weights)
    known = ("connectivity", "binary")
    raise SodError(
        f"head.kind: '{config.kind}' is not one of {known}.{suggest(config.kind, known)}"
    )
