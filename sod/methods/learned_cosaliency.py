"""Co-saliency with a projection that is learnt from groups without masks (SCoSPARC, ECCV 2024)."""

from collections.abc import Sequence
from typing import Any

import torch
from pytorch_lightning.utilities.types import OptimizerLRSchedulerConfig
from torch import Tensor, nn

from sod.core.precision import full_precision
from sod.data.dataset import AnyBatch, Batch
from sod.engine.frozen import drop_frozen, restore_frozen
from sod.engine.method import LossOutput
from sod.engine.optimisers import OptimiserConfig
from sod.engine.training import Training
from sod.methods.cosaliency import BACKBONE, CoSaliency
from sod.nn.backbones.build import BackboneConfig
from sod.nn.losses.cosaliency import agreement_loss, pair_loss, shared_maps

OPTIMISER = OptimiserConfig(lr=1e-4, weight_decay=1e-4)


class LearnedCoSaliency(CoSaliency):
    """Learns a 1×1 projection of the features, so that the foregrounds of a group become alike.

    The projection is added to the features: ``x' = x + conv(x)``. It starts at zero, where the
    method equals :class:`CoSaliency`. A training step takes one group, or a part of it; no mask is
    read. ``val/score`` is one minus the loss of whole groups.

    Args:
        backbone: As of :class:`CoSaliency`.
        prior: As of :class:`CoSaliency`; published: ``attention``.
        segments: As of :class:`CoSaliency`.
        background: As of :class:`CoSaliency`.
        power: As of :class:`CoSaliency`.
        prior_weight: As of :class:`CoSaliency`.
        softness: As of :class:`CoSaliency`.
        similar: As of :class:`CoSaliency`.
        max_tokens: As of :class:`CoSaliency`.
        agreement: Weight of the agreement with the prior; published: 0.3.
        optimiser: Optimiser and schedule; published: Adam, 1e-4, weight decay 1e-4.
        store_backbone: Store the frozen backbone in checkpoints instead of its checksum.
    """

    def __init__(
        self,
        backbone: BackboneConfig = BACKBONE,
        prior: str | None = None,
        segments: int = 8,
        background: float = 0.25,
        power: float = 2.0,
        prior_weight: float = 0.5,
        softness: float = 0.3,
        similar: float = 0.9,
        max_tokens: int = 1600,
        agreement: float = 0.3,
        optimiser: OptimiserConfig = OPTIMISER,
        store_backbone: bool = False,
    ) -> None:
        super().__init__(
            backbone,
            prior,
            segments,
            background,
            power,
            prior_weight,
            softness,
            similar,
            max_tokens,
        )
        self.save_hyperparameters()
        self.agreement, self.optimiser = agreement, optimiser
        self.store_backbone = store_backbone
        channels = self.backbone.channels
        self.projection = nn.Linear(channels, channels, bias=False)
        nn.init.zeros_(self.projection.weight)

    def tokens(self, features: Sequence[Tensor]) -> list[Tensor]:
        """Return comparable projected tokens of each image, unit vectors ``[h·w, C]``."""
        return super().tokens([self._projected(each) for each in features])

    def loss(self, batch: Batch) -> LossOutput:
        """Return the loss of one group and its terms."""
        terms = self.terms(*self._observed(list(batch["images"])))
        return LossOutput(self.total(terms), terms)

    def terms(self, features: Sequence[Tensor], priors: Sequence[Tensor]) -> dict[str, Tensor]:
        """Return the terms of the loss of a group.

        Args:
            features: Per image ``[C, h, w]``.
            priors: Per image ``[h, w]`` in [0, 1].
        """
        raw = [each.flatten(1).mT for each in features]
        maps = shared_maps([self._projected(each).flatten(1).mT for each in features])
        flat = [prior.flatten() for prior in priors]
        return {"pairs": pair_loss(raw, maps), "agreement": agreement_loss(maps, flat)}

    def total(self, terms: dict[str, Tensor]) -> Tensor:
        """Return the weighted sum of the terms."""
        return terms["pairs"] + self.agreement * terms["agreement"]

    def prepare_training(self, training: Training) -> None:
        """Load groups instead of single images."""
        training.data.read_groups()

    def validation_step(self, batch: AnyBatch, batch_idx: int, dataloader_idx: int = 0) -> None:
        """Log ``val/score``, which selects the checkpoint: one minus the loss."""
        images = list(batch["images"])
        empty = torch.zeros((), device=self.device)
        value = self.total(self.terms(*self._observed(images))) if images else empty
        self.log(
            "val/score",
            1 - value,
            batch_size=len(images),
            sync_dist=True,
            add_dataloader_idx=False,
        )

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        """Train the projection."""
        steps = self.trainer.estimated_stepping_batches
        return self.optimiser.build(self.projection.parameters(), steps)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Replace the frozen backbone by its checksum, unless it is to be stored."""
        super().on_save_checkpoint(checkpoint)
        if not self.store_backbone:
            drop_frozen(checkpoint, "backbone", self.backbone)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add the configured frozen backbone, if it is the one of the checkpoint."""
        restore_frozen(checkpoint, "backbone", self.backbone, str(self.config.weights))

    def _projected(self, features: Tensor) -> Tensor:
        """Return ``x + conv(x)`` of features ``[C, h, w]``."""
        change: Tensor = self.projection(features.movedim(0, -1))
        return features + change.movedim(-1, 0)

    def _observed(self, images: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        """Return the features ``[C, h, w]`` and priors ``[h, w]`` of images ``[3, H, W]``."""
        features = [full_precision(self.features(image)) for image in images]
        grids = [(each.shape[-2], each.shape[-1]) for each in features]
        return features, [self.prior_map(*pair) for pair in zip(images, grids, strict=True)]
