"""ConnNet: saliency as connectivity of pixels (Kampffmeyer et al., TIP 2019), without labels.

The published network is trained on masks. Here it is also trained on the pseudo-masks of any
teacher, optionally weighted per image and per pixel.
"""

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from sod.core.errors import SodError
from sod.core.precision import full_precision
from sod.data.dataset import Batch
from sod.engine.frozen import drop_frozen, restore_frozen
from sod.engine.method import LossOutput, Method
from sod.engine.optimisers import OptimiserConfig
from sod.engine.proposals import map_proposals, token_proposals, unions
from sod.labels.learner import LabelLearner, LabelsConfig
from sod.methods.tokencut import TokenCut
from sod.nn.backbones.base import Backbone
from sod.nn.backbones.build import BackboneConfig
from sod.nn.backbones.build_pyramid import frozen_part
from sod.nn.backbones.pyramid import CnnPyramid
from sod.nn.connectivity.instances import Instances, instances, resize_instances
from sod.nn.decoders.heads import ConnectivityHead, HeadConfig
from sod.nn.decoders.network import NetworkConfig, build_network
from sod.nn.inference import InferenceConfig, PatchModel, bounded_size
from sod.nn.resize import resize, saliency_size
from sod.tuning.choice import Tuned

BACKBONE = BackboneConfig(extra_features=["token.4", "token.6", "token.8", "token.10"])
NETWORK, HEAD, LABELS = NetworkConfig(), HeadConfig(), LabelsConfig()
OPTIMISER, INFERENCE = OptimiserConfig(), InferenceConfig(fit="resize")


class ConnNet(LabelLearner):
    """Predicts which neighbouring pixels are salient together.

    Args:
        backbone: A timm CNN (trained), or the frozen features of a transformer: its ``block`` and
            ``extra_features`` are the levels of the cascade.
        network: The network between backbone and head.
        head: ``connectivity``, or ``binary`` for plain segmentation with the same network.
        labels: The masks that it is trained on.
        optimiser: Optimiser and schedule.
        inference: How saliency is predicted; ``propagate`` has no effect here.
        freeze_norm: Keep the statistics of a CNN's batch norms; false to train from scratch.
        store_backbone: Store a frozen backbone in checkpoints instead of its checksum.
    """

    def __init__(
        self,
        backbone: BackboneConfig = BACKBONE,
        network: NetworkConfig = NETWORK,
        head: HeadConfig = HEAD,
        labels: LabelsConfig = LABELS,
        optimiser: OptimiserConfig = OPTIMISER,
        inference: InferenceConfig = INFERENCE,
        freeze_norm: bool = True,
        store_backbone: bool = False,
    ) -> None:
        super().__init__(labels, optimiser)
        self.save_hyperparameters()
        self.config, self.inference, self.store_backbone = backbone, inference, store_backbone
        self.network = build_network(backbone, network, head, freeze_norm)

    @classmethod
    def tuned_arguments(cls, tuned: Tuned) -> dict[str, Any]:
        """Return the features and TokenCut's threshold, where it is the teacher."""
        inference = tuned.inference_arguments()
        inference.pop("propagate", None)
        return {
            "backbone": tuned.backbone_arguments(heads=True),
            "labels": {"tau": tuned.tau, **({"masks": tuned.masks} if tuned.masks else {})},
            "inference": inference,
        }

    def saliency(self, images: Tensor) -> Tensor:
        """Return the aggregated votes, or the sigmoid of a binary head, at the images' size."""
        return self.patch_model().logits(images).sigmoid()

    def patch_model(self) -> PatchModel:
        """Return the network with its votes as logits."""
        multiple = self.network.pyramid.multiple
        return PatchModel(self._saliency_logits, self.inference, multiple, self._mean)

    def instances(self, images: Tensor) -> list[Instances]:
        """Return the connected groups of each image, in its own size.

        Images with more patches than ``inference.max_tokens`` are looked at in a smaller size, as
        for the saliency.

        Raises:
            SodError: The head is binary and predicts no pairs.
        """
        head = self.network.head
        if not isinstance(head, ConnectivityHead):
            raise SodError("instances: a binary head has none; train with head.kind connectivity.")
        size, multiple = (images.shape[-2], images.shape[-1]), self.network.pyramid.multiple
        scale, most = self.inference.scales[0], self.inference.max_tokens
        height, width = bounded_size(size, scale, most, multiple)
        resized = resize(images, saliency_size(height, width, multiple))
        cubes = full_precision(self.network(resized)[0]).sigmoid()
        found = [instances(cube, dilations=head.dilations) for cube in cubes]
        return [resize_instances(each, size) for each in found]

    def proposals(self, image: Tensor, saliency: Tensor) -> list[Tensor]:
        """Return those of any method, and of a connectivity head instances and their unions."""
        _, frozen = frozen_part(self.network.pyramid)
        parts = token_proposals(frozen, image) if isinstance(frozen, Backbone) else []
        proposals = [*map_proposals(saliency), *parts]
        if not isinstance(self.network.head, ConnectivityHead):
            return proposals
        labels = self.instances(image[None])[0].labels.to(saliency.device)
        count = min(int(labels.max()), 3)
        objects = [(labels == label).float() for label in range(1, count + 1)]
        return [*proposals, *objects, *unions(objects)]

    def loss(self, batch: Batch) -> LossOutput:
        """Return the loss of the head and its terms."""
        images, targets = batch["images"], self.targets(batch)
        logits = self.network(images)
        with torch.no_grad():
            prediction = self.network.head.saliency(logits[0].detach())
        weights = self.weights_of(batch, targets)
        terms = self.network.losses(logits, (targets > 0.5).float(), *weights)
        visuals = {"image": images, "target": targets, "prediction": prediction}
        return LossOutput(terms.pop("loss"), terms, visuals)

    def frozen_backbone(self) -> Backbone:
        """Return the backbone, if it is a frozen one.

        Raises:
            SodError: It is a CNN, which is trained.
        """
        _, frozen = frozen_part(self.network.pyramid)
        return frozen if isinstance(frozen, Backbone) else super().frozen_backbone()

    def default_teacher(self) -> Method:
        """Return TokenCut on this backbone's first features.

        Raises:
            SodError: An exported model holds too little of the backbone for ``labels.masks``.
        """
        cut = replace(self.config, extra_features=[])
        teacher = TokenCut(cut, self.labels.tau, masks=self.labels.masks)
        _, frozen = frozen_part(self.network.pyramid)
        if self.config.weights is None and frozen is not None:
            own = frozen.state_dict()  # no file has them: they came with a checkpoint
            wanted = teacher.backbone.state_dict()
            if not wanted.keys() <= own.keys():
                raise SodError(
                    "model.labels.masks: needs more of the backbone than the exported model holds: "
                    "give its weights by --model.backbone.weights."
                )
            teacher.backbone.load_state_dict({name: own[name] for name in wanted})
        return teacher

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Replace a frozen backbone by its checksum, unless it is to be stored."""
        super().on_save_checkpoint(checkpoint)
        path, module = frozen_part(self.network.pyramid)
        if module is not None and not self.store_backbone:
            drop_frozen(checkpoint, f"network.pyramid.{path}", module)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add the configured frozen backbone, if it is the one of the checkpoint."""
        path, module = frozen_part(self.network.pyramid)
        if module is not None:
            prefix = f"network.pyramid.{path}"
            restore_frozen(checkpoint, prefix, module, str(self.config.weights))

    @property
    def _mean(self) -> Tensor:
        pyramid = self.network.pyramid
        mean = pyramid.mean if isinstance(pyramid, CnnPyramid) else pyramid.backbone.mean
        assert isinstance(mean, Tensor)  # noqa: S101 - narrows the type
        return mean.flatten()

    def _saliency_logits(self, images: Tensor) -> Tensor:
        saliency: Tensor = self.network.head.saliency(self.network(images)[0])
        return saliency.logit(eps=1e-6)
