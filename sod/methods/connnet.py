"""ConnNet: saliency as connectivity of pixels (Kampffmeyer et al., TIP 2019), without labels.

The published network learns from masks. Here it also learns from pseudo-masks of any teacher, which
it doubts image by image and pixel by pixel.
"""

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from sod.core.errors import SodError
from sod.data.dataset import Batch
from sod.engine.frozen import leave_out, put_back
from sod.engine.method import Method
from sod.engine.optimisers import CosineOptimiser
from sod.labels.learner import LabelLearner
from sod.labels.teachers import LabelsConfig
from sod.methods.tokencut import TokenCut
from sod.nn.backbones.build import BackboneConfig
from sod.nn.backbones.pyramid import CnnPyramid, frozen_part
from sod.nn.connectivity.cube import full_precision
from sod.nn.connectivity.instances import Instances, instances, resize_instances
from sod.nn.decoders.heads import ConnectivityHead, HeadConfig
from sod.nn.decoders.network import NetworkConfig, build_network
from sod.nn.inference import InferenceConfig, image_logits
from sod.nn.layers import resize
from sod.nn.resize import saliency_size

BACKBONE = BackboneConfig(more=["token.4", "token.6", "token.8", "token.10"])
HEAD = HeadConfig()


NETWORK, LABELS, OPTIMISER = NetworkConfig(), LabelsConfig(), CosineOptimiser()
INFERENCE = InferenceConfig(fit="resize")


class ConnNet(LabelLearner):
    """Predicts which neighbouring pixels are salient together.

    Args:
        backbone: A timm CNN (trained), or the frozen features of a transformer: its ``block`` and
            ``more`` are the levels of the cascade.
        network: The network on it.
        head: ``connectivity``, or ``binary`` for plain segmentation with the same network.
        labels: What it learns from.
        optimiser: Optimiser and schedule.
        inference: How saliency is asked for; ``propagate`` has no effect here.
        freeze_norm: Keep the statistics of a CNN's batch norms; false to train from scratch.
        store_backbone: Store a frozen backbone in checkpoints instead of its checksum.
    """

    def __init__(
        self,
        backbone: BackboneConfig = BACKBONE,
        network: NetworkConfig = NETWORK,
        head: HeadConfig = HEAD,
        labels: LabelsConfig = LABELS,
        optimiser: CosineOptimiser = OPTIMISER,
        inference: InferenceConfig = INFERENCE,
        freeze_norm: bool = True,
        store_backbone: bool = False,
    ) -> None:
        super().__init__(labels, optimiser)
        self.save_hyperparameters()
        self.config, self.inference, self.store_backbone = backbone, inference, store_backbone
        self.network = build_network(backbone, network, head, freeze_norm)

    def saliency(self, images: Tensor) -> Tensor:
        """Return the aggregated votes, or the sigmoid of a binary head, at the images' size."""
        pyramid = self.network.pyramid
        logits = image_logits(
            self._saliency_logits, images, self.inference, pyramid.multiple, self._mean
        )
        return logits.sigmoid()

    def instances(self, images: Tensor) -> list[Instances]:
        """Return the connected groups of each image, in its own size.

        Raises:
            SodError: The head is binary, and so knows of no groups.
        """
        head = self.network.head
        if not isinstance(head, ConnectivityHead):
            raise SodError("instances: a binary head has none; train with head.kind connectivity.")
        scale = self.inference.scales[0]
        height, width = (max(1, round(side * scale)) for side in images.shape[-2:])
        shown = resize(images, saliency_size(height, width, self.network.pyramid.multiple))
        cubes = full_precision(self.network(shown)[0]).sigmoid()
        found = [instances(cube, dilations=head.dilations) for cube in cubes]
        size = (images.shape[-2], images.shape[-1])
        return [resize_instances(each, size) for each in found]

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """Return the loss of the head and its terms."""
        images, targets = batch["images"], self.targets(batch)
        logits = self.network(images)
        with torch.no_grad():
            shown = self.network.head.saliency(logits[0].detach())
        self.shown = {"image": images, "target": targets, "prediction": shown}
        return self.network.losses(logits, (targets > 0.5).float(), *self.trust(batch, targets))

    def default_teacher(self) -> Method:
        """Return TokenCut on this backbone's first features."""
        teacher = TokenCut(replace(self.config, more=[]), self.labels.tau)
        _, frozen = frozen_part(self.network.pyramid)
        if self.config.weights is None and frozen is not None:
            own = frozen.state_dict()  # no file has them: they came with a checkpoint
            teacher.backbone.load_state_dict({k: own[k] for k in teacher.backbone.state_dict()})
        return teacher

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Leave a frozen backbone out, unless asked for; its checksum stays."""
        super().on_save_checkpoint(checkpoint)
        path, module = frozen_part(self.network.pyramid)
        if module is not None and not self.store_backbone:
            leave_out(checkpoint, f"network.pyramid.{path}", module)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Supply the frozen backbone from where the configuration says, if it is the same one."""
        path, module = frozen_part(self.network.pyramid)
        if module is not None:
            put_back(checkpoint, f"network.pyramid.{path}", module, str(self.config.weights))

    @property
    def _mean(self) -> Tensor:
        pyramid = self.network.pyramid
        mean = pyramid.mean if isinstance(pyramid, CnnPyramid) else pyramid.backbone.mean
        assert isinstance(mean, Tensor)  # noqa: S101 - narrows the type
        return mean.flatten()

    def _saliency_logits(self, images: Tensor) -> Tensor:
        saliency: Tensor = self.network.head.saliency(self.network(images)[0])
        return saliency.logit(eps=1e-6)
