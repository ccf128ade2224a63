"""Students trained from scratch (Croitoru et al., ICCV 2017 and IJCV 2019)."""

from dataclasses import dataclass
from typing import Literal, get_args

import torch.nn.functional as F
from torch import Tensor, nn

from sod.core.errors import SodError, suggest
from sod.core.precision import full_precision
from sod.data.dataset import Batch
from sod.engine.method import LossOutput
from sod.engine.optimisers import OptimiserConfig
from sod.labels.learner import LabelLearner, LabelsConfig
from sod.nn.decoders.lowres import LowResNet
from sod.nn.decoders.unet import UNet
from sod.nn.losses.saliency import binary_loss, iou_loss, weighted_mean
from sod.nn.resize import resize

Kind = Literal["lowres", "unet", "dilated", "dense"]
LossKind = Literal["mse", "bce"]


@dataclass(frozen=True)
class StudentNetwork:
    """The network of a student.

    Args:
        kind: ``lowres`` (colours, gradients and hue to a mask of 32×32), ``unet``, ``dilated`` (a
            U-Net with a dilated centre) or ``dense`` (a U-Net of dense blocks).
        width: Channels of the first level, a multiple of four; published: 256 for ``lowres``, 32
            for the others.
        size: Side in pixels of the square that images are resized to; ``lowres`` always uses 128.
    """

    kind: Kind = "unet"
    width: int = 32
    size: int = 256

    def __post_init__(self) -> None:
        """Reject invalid values."""
        known = get_args(Kind)
        if self.kind not in known:
            raise SodError(f"network.kind: unknown '{self.kind}'.{suggest(self.kind, known)}")
        if self.width < 4 or self.width % 4:
            raise SodError(f"network.width: {self.width} is not a multiple of four")
        if self.size < 32:
            raise SodError(f"network.size: {self.size} is not at least 32")


NETWORK, LABELS, OPTIMISER = StudentNetwork(), LabelsConfig(), OptimiserConfig()


class Student(LabelLearner):
    """A small network without any pretrained part, trained on soft pseudo-masks.

    Args:
        network: The network.
        loss_kind: ``mse``, the mean squared error of soft masks (published), or ``bce``, their
            binary cross-entropy.
        iou: Weight of the soft IoU loss that is added. Without it, few images or wrong labels leave
            whole maps below one half.
        flip: Average the logits with those of the mirror image.
        labels: The masks that it is trained on; a store or a teacher has to be named.
        optimiser: Optimiser and schedule; published is Adam with a learning rate of 0.001.
    """

    def __init__(
        self,
        network: StudentNetwork = NETWORK,
        loss_kind: LossKind = "mse",
        iou: float = 0.0,
        flip: bool = False,
        labels: LabelsConfig = LABELS,
        optimiser: OptimiserConfig = OPTIMISER,
    ) -> None:
        super().__init__(labels, optimiser)
        self.save_hyperparameters()
        self.size, self.loss_kind, self.iou, self.flip = network.size, loss_kind, iou, flip
        self.network = build_network(network)

    def saliency(self, images: Tensor) -> Tensor:
        """Return the sigmoid of the logits, resized to the images."""
        size = (images.shape[-2], images.shape[-1])
        logits = self._logits(images)
        if self.flip:
            logits = (logits + self._logits(images.flip(-1)).flip(-1)) / 2
        return resize(full_precision(logits), size).sigmoid()

    def loss(self, batch: Batch) -> LossOutput:
        """Return the loss on soft masks, at the size of the network's output."""
        targets = self.targets(batch)
        logits = self._logits(batch["images"])
        size = (logits.shape[-2], logits.shape[-1])
        pixels, images = self.weights_of(batch, targets)
        soft = F.interpolate(targets, size, mode="area")
        weights = None if pixels is None else F.interpolate(pixels, size, mode="area")
        saliency = full_precision(logits).sigmoid()
        if self.loss_kind == "bce":
            loss = binary_loss(logits, soft, weights, images)
        else:
            loss = weighted_mean((saliency - soft).square(), weights, images)
        terms: dict[str, Tensor] = {self.loss_kind: loss}
        if self.iou:
            terms["iou"] = iou_loss(saliency, soft, weights, images)
            loss = loss + self.iou * terms["iou"]
        visuals = {"image": batch["images"], "target": soft, "prediction": saliency.detach()}
        return LossOutput(loss, terms, visuals)

    def _logits(self, images: Tensor) -> Tensor:
        square = (self.size, self.size)
        if images.shape[-2:] != square:
            resized = F.interpolate(images.float(), square, mode="bilinear", antialias=True)
            images = resized.to(images.dtype)
        logits: Tensor = self.network(images)
        return logits


def build_network(config: StudentNetwork) -> nn.Module:
    """Build a network, images ``[B, 3, H, W]`` in [0, 1] to logits ``[B, 1, h, w]``."""
    if config.kind == "lowres":
        return LowResNet(config.width)
    centre: Literal["plain", "dilated"] = "dilated" if config.kind == "dilated" else "plain"
    return UNet(config.width, centre, dense=config.kind == "dense")
