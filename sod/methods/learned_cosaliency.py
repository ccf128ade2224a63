"""Co-saliency with a projection that is learnt from groups, without masks or with a few."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, get_args

import torch
import torch.nn.functional as F
from pytorch_lightning.utilities.types import OptimizerLRSchedulerConfig
from torch import Tensor, nn

from sod.core.errors import SodError
from sod.core.precision import full_precision
from sod.data.dataset import AnyBatch, Batch
from sod.engine.frozen import drop_frozen, restore_frozen
from sod.engine.method import LossOutput
from sod.engine.optimisers import OptimiserConfig
from sod.engine.training import Training
from sod.methods.cosaliency import BACKBONE, CoSaliency
from sod.nn.backbones.build import BackboneConfig
from sod.nn.confidence import ConfidenceNetwork, map_statistics
from sod.nn.consensus import group_tokens
from sod.nn.losses.cosaliency import agreement_loss, contrast_loss, pair_loss, shared_maps

OPTIMISER = OptimiserConfig(lr=1e-3, weight_decay=1e-4)
Objective = Literal["contrast", "published"]
Masks = Sequence[Tensor | None]


class LearnedCoSaliency(CoSaliency):
    """Learns a 1×1 projection of the features, so that the foregrounds of a group become alike.

    The projection is added to the features: ``x' = x + conv(x)``. It starts at zero, where the
    method equals :class:`CoSaliency`. A training step takes one group, or a part of it.
    ``val/score`` is exp(-loss) of whole groups, without masks.

    With the objective ``contrast``, our own, the maps of the training-free method say what is
    foreground, and the foregrounds of a group are to be alike, and unlike all backgrounds of it,
    after the projection. ``published`` is the loss of SCoSPARC (Chakraborty et al., ECCV 2024).

    No mask is read unless ``data.supervised`` is set. Then those of ``labelled`` images of each
    group are, and stand in the place of their maps; a network that learns from them how right the
    other maps are gives each its weight (after US-CoSOD, Chakraborty et al., WACV 2024).

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
        objective: ``contrast`` or ``published``.
        temperature: Divides the cosines of ``contrast``.
        agreement: Weight of the agreement with the prior in ``published``; published: 0.3.
        labelled: Masks read of each group, the first ones by name; null: all that there are.
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
        objective: Objective = "contrast",
        temperature: float = 0.1,
        agreement: float = 0.3,
        labelled: int | None = None,
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
        if objective not in get_args(Objective) or temperature <= 0:
            raise SodError("objective has to be contrast or published, and temperature above 0")
        self.objective, self.temperature = objective, temperature
        self.agreement, self.optimiser = agreement, optimiser
        self.labelled, self.store_backbone = labelled, store_backbone
        channels = self.backbone.channels
        self.projection = nn.Linear(channels, channels, bias=False)
        nn.init.zeros_(self.projection.weight)
        self.confidence = ConfidenceNetwork()
        self._few_labels = False

    def tokens(self, features: Sequence[Tensor]) -> list[Tensor]:
        """Return comparable projected tokens of each image, unit vectors ``[h·w, C]``."""
        return super().tokens([self._projected(each) for each in features])

    def loss(self, batch: Batch) -> LossOutput:
        """Return the loss of one group and its terms."""
        terms = self.terms(*self._observed(list(batch["images"])), batch["masks"])
        return LossOutput(self.total(terms), terms)

    def terms(
        self, features: Sequence[Tensor], priors: Sequence[Tensor], masks: Masks = ()
    ) -> dict[str, Tensor]:
        """Return the terms of the loss of a group.

        Args:
            features: Per image ``[C, h, w]``.
            priors: Per image ``[h, w]`` in [0, 1].
            masks: Per image uint8 ``[H, W]``, or None without a mask; none of all images.
        """
        if self.objective == "contrast":
            return self._contrast(features, priors, masks or [None] * len(features))
        raw = [each.flatten(1).mT for each in features]
        maps = shared_maps([self._projected(each).flatten(1).mT for each in features])
        flat = [prior.flatten() for prior in priors]
        return {"pairs": pair_loss(raw, maps), "agreement": agreement_loss(maps, flat)}

    def total(self, terms: dict[str, Tensor]) -> Tensor:
        """Return the weighted sum of the terms."""
        weights = {"agreement": self.agreement}
        return torch.stack([weights.get(name, 1.0) * term for name, term in terms.items()]).sum()

    def check_training(self, training: Training) -> None:
        """Check data and options; masks are of use to ``contrast`` alone."""
        if training.data.supervised and self.objective != "contrast":
            raise SodError("data.supervised: the objective published has no use for masks.")
        self.prepare_training(training)
        super().check_training(training)

    def prepare_training(self, training: Training) -> None:
        """Load groups instead of single images, with the masks of some if they are to be read."""
        training.data.read_groups(self.labelled)
        self._few_labels = training.data.supervised

    def validation_step(self, batch: AnyBatch, batch_idx: int, dataloader_idx: int = 0) -> None:
        """Log ``val/score``, which selects the checkpoint: exp(-loss), without masks."""
        images = list(batch["images"])
        empty = torch.zeros((), device=self.device)
        value = self.total(self.terms(*self._observed(images))) if images else empty
        self.log_mean("val/score", torch.exp(-value), len(images))

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        """Train the projection and the confidence network."""
        steps = self.trainer.estimated_stepping_batches
        # Without labels, several processes would wait for gradients of the confidence network.
        self.confidence.requires_grad_(self._few_labels)
        trained = [*self.projection.parameters(), *self.confidence.parameters()]
        return self.optimiser.build(trained, steps)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Replace the frozen backbone by its checksum, unless it is to be stored."""
        super().on_save_checkpoint(checkpoint)
        if not self.store_backbone:
            drop_frozen(checkpoint, "backbone", self.backbone)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add the configured frozen backbone, if it is the one of the checkpoint."""
        restore_frozen(checkpoint, "backbone", self.backbone, str(self.config.weights))

    def _contrast(
        self, features: Sequence[Tensor], priors: Sequence[Tensor], masks: Masks
    ) -> dict[str, Tensor]:
        """Return the contrast of the foregrounds, and with masks the loss of the confidence."""
        tokens = self.tokens(features)
        with torch.no_grad():
            plain = group_tokens(features, self.backbone.widths)
            maps = [each.sigmoid().flatten() for each in self.token_logits(plain, priors)]
            flat = [prior.flatten() for prior in priors]
            statistics = map_statistics(plain, maps, flat)
        known = {n: _on_grid(m, priors[n]) for n, m in enumerate(masks) if m is not None}
        weights, terms = torch.ones_like(statistics[:, 0]), {}
        if self._few_labels:
            terms["confidence"] = self._confidence_loss(statistics, maps, known)
            weights = self.confidence(statistics).sigmoid().detach()
            weights[list(known)] = 1
        targets = [known.get(number, map_) for number, map_ in enumerate(maps)]
        return {"contrast": contrast_loss(tokens, targets, weights, self.temperature), **terms}

    def _confidence_loss(
        self, statistics: Tensor, maps: Sequence[Tensor], known: Mapping[int, Tensor]
    ) -> Tensor:
        """Return the loss of the confidence in the maps whose mask is known; 0 without any."""
        if not known:
            nothing: Tensor = self.confidence(statistics).sum() * 0
            return nothing
        own = [maps[number] for number in known]
        loss: Tensor = self.confidence.loss(statistics[list(known)], own, list(known.values()))
        return loss

    def _projected(self, features: Tensor) -> Tensor:
        """Return ``x + conv(x)`` of features ``[C, h, w]``."""
        change: Tensor = self.projection(features.movedim(0, -1))
        return features + change.movedim(-1, 0)

    def _observed(self, images: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        """Return the features ``[C, h, w]`` and priors ``[h, w]`` of images ``[3, H, W]``."""
        features = [full_precision(self.features(image)) for image in images]
        grids = [(each.shape[-2], each.shape[-1]) for each in features]
        return features, [self.prior_map(*pair) for pair in zip(images, grids, strict=True)]


def _on_grid(mask: Tensor, prior: Tensor) -> Tensor:
    """Return the share of foreground in each patch, ``[N]``, of a mask with values 0..255."""
    pixels = (mask > 127).to(prior)[None, None]
    return F.interpolate(pixels, (prior.shape[0], prior.shape[1]), mode="area").flatten()
