"""ConnNet: saliency as connectivity of pixels (Kampffmeyer et al., TIP 2019), without labels.

The published network learns from masks. Here it also learns from pseudo-masks of any teacher, which
it doubts image by image and pixel by pixel.
"""

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning.loggers import TensorBoardLogger
from pytorch_lightning.utilities import rank_zero_info
from pytorch_lightning.utilities.types import OptimizerLRSchedulerConfig
from torch import Tensor

from sod.connectivity import full_precision
from sod.data.datamodule import SaliencyData
from sod.data.dataset import Batch
from sod.data.samples import Sample
from sod.errors import SodError
from sod.method import Method
from sod.methods.tokencut import TokenCut
from sod.monitors import label_free
from sod.nn.backbone import BackboneConfig
from sod.nn.frozen import leave_out, put_back
from sod.nn.heads import ConnectivityHead, HeadConfig
from sod.nn.inference import InferenceConfig, image_logits
from sod.nn.layers import resize
from sod.nn.network import NetworkConfig, build_network
from sod.nn.pyramid import CnnPyramid, frozen_part
from sod.pseudo import LabelStore, select
from sod.refine.instances import Instances, instances, resize_instances
from sod.resize import saliency_size
from sod.teacher import LabelsConfig, build_teacher, complete_store, fill_store

BACKBONE = BackboneConfig(more=["token.4", "token.6", "token.8", "token.10"])
HEAD = HeadConfig()


@dataclass(frozen=True)
class CosineOptimiser:
    """AdamW, its rate falling to zero along a cosine over the whole training.

    Args:
        lr: Learning rate for the whole effective batch; it is not scaled by the devices.
        weight_decay: Of AdamW.
    """

    lr: float = 1e-3
    weight_decay: float = 1e-2


NETWORK, LABELS, OPTIMISER = NetworkConfig(), LabelsConfig(), CosineOptimiser()
INFERENCE = InferenceConfig(fit="resize")


class ConnNet(Method):
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
        super().__init__()
        self.save_hyperparameters()
        self.config, self.labels, self.optimiser = backbone, labels, optimiser
        self.inference, self.store_backbone = inference, store_backbone
        self.network = build_network(backbone, network, head, freeze_norm)
        self.weights: dict[str, float] = {}
        self.shown: dict[str, Tensor] = {}

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
        images, targets = batch["images"], self._targets(batch)
        logits = self.network(images)
        pixels = (2 * targets - 1).abs() if self.labels.trust_pixels else None
        trust = None
        if self.labels.trust_images and self.weights:
            names = [sample.name for sample in batch["samples"]]
            trust = images.new_tensor([self.weights[name] for name in names])
        with torch.no_grad():
            shown = self.network.head.saliency(logits[0].detach())
        self.shown = {"image": images, "target": targets, "prediction": shown}
        return self.network.losses(logits, (targets > 0.5).float(), pixels, trust)

    def setup(self, stage: str) -> None:
        """Before training: have the pseudo-masks made, choose among them, hand them to the data.

        Raises:
            SodError: The labels asked for are not there.
        """
        data = getattr(self.trainer, "datamodule", None)
        if stage != "fit" or not isinstance(data, SaliencyData):
            return
        if self.labels.kind == "masks":
            if not data.supervised:
                raise SodError("labels.kind is masks, but data.supervised is false: set it.")
            return
        samples = data.train_samples()
        store = self._store(samples)
        chosen = select(
            [store.labels[sample.name] for sample in samples],
            self.labels.keep,
            self.labels.low,
            self.labels.high,
        )
        names = {label.name for label in chosen}
        self.weights = {label.name: min(max(label.score, 0.1), 1.0) for label in chosen}
        data.train_on({s.image: store.path(s.name) for s in samples if s.name in names})
        rank_zero_info(f"{len(chosen)} of {len(samples)} pseudo-masks of {store.folder} are used")

    def validation_step(self, batch: Batch, batch_idx: int, dataloader_idx: int = 0) -> None:
        """Log what can be said of a checkpoint without any mask; ``val/score`` chooses it."""
        images = batch["images"]
        for name, values in label_free(self.saliency, images).items():
            self.log(
                f"val/{name}",
                values.mean(),
                batch_size=len(images),
                sync_dist=True,
                add_dataloader_idx=False,
            )

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        """Train what is not frozen with AdamW; the rate falls per optimiser step."""
        options = self.optimiser
        learning = [parameter for parameter in self.parameters() if parameter.requires_grad]
        adamw = torch.optim.AdamW(learning, lr=options.lr, weight_decay=options.weight_decay)
        steps = self.trainer.estimated_stepping_batches
        if steps == float("inf"):
            raise SodError("trainer: the rate falls over the training: set max_steps or max_epochs")
        cosine = torch.optim.lr_scheduler.CosineAnnealingLR(adamw, max(int(steps), 1))
        return {"optimizer": adamw, "lr_scheduler": {"scheduler": cosine, "interval": "step"}}

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

    def _targets(self, batch: Batch) -> Tensor:
        masks = [mask for mask in batch["masks"] if mask is not None]
        if len(masks) < len(batch["images"]):
            raise SodError("ConnNet: an image came without mask or pseudo-mask to learn from.")
        return torch.stack(masks)[:, None].to(batch["images"]) / 255

    def _store(self, samples: list[Sample]) -> LabelStore:
        """Return the pseudo-labels of the samples, made by the teacher where they are missing."""
        labels, strategy = self.labels, self.trainer.strategy
        folder = strategy.broadcast(labels.store or self._own_folder())
        teacher = None
        if labels.teacher is not None:
            teacher = build_teacher(labels.teacher)
        elif labels.store is None:
            teacher = TokenCut(replace(self.config, more=[]), labels.tau)
        if teacher is None:
            return complete_store(folder, samples)
        teacher.to(strategy.root_device)
        ranks = (self.trainer.global_rank, self.trainer.world_size)
        return fill_store(teacher, samples, folder, labels.refine, ranks, strategy.barrier)

    def _own_folder(self) -> str:
        """Return ``pseudo`` in the folder of the run, or a passing one where nothing is kept."""
        logger = self.trainer.logger
        if not isinstance(logger, TensorBoardLogger):
            self._passing = tempfile.TemporaryDirectory(prefix="sod-pseudo-")
            return self._passing.name
        return str(Path(logger.save_dir) / "pseudo")
