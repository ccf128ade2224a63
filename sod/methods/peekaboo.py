"""PEEKABOO: a light head on frozen features, trained with a part of each image masked.

Zunair & Ben Hamza, BMVC 2024 (arXiv 2407.17628), on the training of FOUND (Siméoni et al., CVPR
2023). The published computation and its improvements are options of one method.
"""

from typing import Any

import torch
from pytorch_lightning.callbacks import Callback
from pytorch_lightning.utilities import rank_zero_warn
from pytorch_lightning.utilities.types import OptimizerLRSchedulerConfig
from torch import Tensor

from sod.core.distributed import all_reduce_mean
from sod.core.seed import fold_seed, run_seed
from sod.data.dataset import Batch
from sod.data.masking import Masker, MaskingConfig, PatchRegions, mask_images
from sod.engine.frozen import drop_frozen, restore_frozen
from sod.engine.guard import CollapseGuard, CollapseReaction, GuardConfig
from sod.engine.method import LossOutput, Method
from sod.engine.monitors import foreground_shares
from sod.engine.optimisers import OptimiserConfig
from sod.engine.training import Training
from sod.labels.initial_targets import InitialTargets, InitialTargetsConfig
from sod.nn.backbones.build import BackboneConfig, build_backbone
from sod.nn.decoders.patch_head import PatchHead
from sod.nn.inference import InferenceConfig, PatchModel
from sod.nn.losses.peekaboo import (
    TermsConfig,
    Views,
    consistency_loss,
    sharpen_loss,
    total_loss,
)
from sod.nn.losses.saliency import binary_loss
from sod.nn.propagation import propagate
from sod.refinement import BilateralGrid, refine_targets
from sod.refinement.targets import Downsample
from sod.tuning.choice import Tuned

BACKBONE = BackboneConfig(name="vit_small_patch8_224.dino")
TERMS, INITIAL, MASKING = TermsConfig(), InitialTargetsConfig(), MaskingConfig()
GUARD, INFERENCE = GuardConfig(), InferenceConfig()
OPTIMISER = OptimiserConfig(lr=5e-2, schedule="step")

Terms = dict[str, Tensor]


class Peekaboo(Method):
    """A 1×1 convolution on frozen features, trained on its own refined predictions.

    Args:
        backbone: The frozen feature extractor.
        standardise: Standardise each channel of the features; published: no.
        zero_init: Start from zero weights instead of random ones; published: no.
        terms: The terms of the loss.
        initial_targets: The first targets; published: none.
        masking: Which part of the images is masked.
        downsample: How a refined mask becomes a target per patch: foreground if ``any`` pixel is
            (published; grows objects by up to a patch), if more than ``half`` of it is, or the
            covered ``area``.
        guard: What is done about a collapse.
        optimiser: Optimiser and schedule.
        inference: How saliency is predicted.
        store_backbone: Store the frozen backbone in checkpoints instead of its checksum.
    """

    def __init__(
        self,
        backbone: BackboneConfig = BACKBONE,
        standardise: bool = False,
        zero_init: bool = False,
        terms: TermsConfig = TERMS,
        initial_targets: InitialTargetsConfig = INITIAL,
        masking: MaskingConfig = MASKING,
        downsample: Downsample = "any",
        guard: GuardConfig = GUARD,
        optimiser: OptimiserConfig = OPTIMISER,
        inference: InferenceConfig = INFERENCE,
        store_backbone: bool = False,
    ) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.config, self.optimiser, self.downsample = backbone, optimiser, downsample
        self.backbone = build_backbone(backbone)
        self.head = PatchHead(self.backbone.channels, standardise, zero_init)
        self.guard, self.masker = CollapseGuard(guard), Masker(masking)
        self.terms, self.initial_targets, self.inference = terms, initial_targets, inference
        self.store_backbone = store_backbone
        self.started: Tensor
        self.register_buffer("started", torch.zeros((), dtype=torch.int64))
        self._reset_start()
        self._initial = InitialTargets(initial_targets, downsample, backbone, store_backbone)

    @classmethod
    def tuned_arguments(cls, tuned: Tuned) -> dict[str, Any]:
        """Return the features, the cut of the initial targets, and the inference."""
        cleaned = (tuned.masks or {}).get("clean_up", False)
        initial = {"tau": tuned.tau, **({"clean_up": True} if cleaned else {})}
        return {
            "backbone": tuned.backbone_arguments(heads=True),
            "initial_targets": initial,
            "inference": tuned.inference_arguments(),
        }

    def patch_logits(self, images: Tensor) -> Tensor:
        """Return logits ``[B, 1, h, w]`` of images whose sides are multiples of the patch."""
        logits: Tensor = self.head(self._features(images))
        return logits

    def saliency(self, images: Tensor) -> Tensor:
        """Return the sigmoid of the logits, resized to the images."""
        return self.patch_model().logits(images).sigmoid()

    def patch_model(self) -> PatchModel:
        """Return the backbone with the head on it."""
        own = self.backbone
        return PatchModel(self._propagated_logits, self.inference, own.patch_size, own.mean)

    def loss(self, batch: Batch) -> LossOutput:
        """Return the weighted sum of the terms, and each of them."""
        views, has_initial = self._views(batch), self.uses_initial_targets
        if has_initial and self.initial_targets.role == "targets":
            terms, targets = self._initial_terms(views)
        else:
            terms, targets = self._own_terms(views, sharpen=not has_initial)
            if has_initial:
                masks = self._initial.masks(self.backbone, views.images, views.features)
                initial = self._refined(views.grid, masks)
                terms["initial"] = binary_loss(views.logits, initial)
        visuals = {
            "image": views.images,
            "masked": views.masked_images,
            "prediction": views.logits.detach().float().sigmoid(),
            "target": targets,
        }
        loss = total_loss(terms, self.terms, self.initial_targets.weight)
        return LossOutput(loss, terms, visuals)

    @property
    def uses_initial_targets(self) -> bool:
        """Whether the current step uses the initial targets."""
        if self.initial_targets.kind == "none":
            return False
        started, steps = int(self.started), self.initial_targets.steps
        return started >= 0 and (steps is None or self.global_step - started < steps)

    def training_step(self, batch: Batch, batch_idx: int) -> dict[str, Any]:
        """Compute the loss, and log the foreground shares of the predictions.

        Returns:
            Beside the outputs of the base class ``collapse``, the diagnosis of a collapse or None.
        """
        outputs = super().training_step(batch, batch_idx)
        shares = foreground_shares(outputs["visuals"]["prediction"])
        means = all_reduce_mean(torch.stack([share.mean() for share in shares.values()]))
        for name, share in zip(shares, means, strict=True):
            self.log(f"monitor/{name}", share)
        monitored = dict(zip(shares, means.tolist(), strict=True))
        collapse = self.guard.update(monitored["foreground"], monitored["border"])
        return {**outputs, "collapse": collapse}

    def configure_callbacks(self) -> list[Callback]:
        """React to a collapse before a checkpoint of its step is written."""
        return [CollapseReaction()]

    def react_to_collapse(self, collapse: str) -> None:
        """React to a collapse, after the optimiser step.

        A restart begins a new training in the steps that are left: a head drawn from seed and step,
        an optimiser without memory, and the schedule from the full learning rate on.
        """
        restart = self.guard.config.action == "restart"
        action = "restarting with a fresh head" if restart else "continuing, as guard.action says"
        rank_zero_warn(f"step {self.global_step}: collapsed: {collapse}; {action}")
        if restart:
            self.head.reset(seed=fold_seed(2**32 * (1 + self.global_step) + run_seed()))
            self.started.fill_(self.global_step)
            self.optimiser.restart(self.trainer)

    def prepare_training(self, training: Training) -> None:
        """Let the workers of the loader draw the masked regions."""
        if self._masks_images:
            training.data.draw_regions(PatchRegions(self.masker, self.backbone.patch_size))

    def on_fit_start(self) -> None:
        """Begin with the initial targets, unless the run is resumed."""
        if self.global_step == 0:
            self._reset_start()

    def validation_step(self, batch: Batch, batch_idx: int, dataloader_idx: int = 0) -> None:
        """Log the label-free measures; ``val/score`` selects the checkpoint."""
        self.log_label_free_measures(batch["images"])

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        """Train the head; the learning rate falls per optimiser step, not per epoch."""
        return self.optimiser.build(self.head.parameters(), self.trainer.estimated_stepping_batches)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Replace the frozen backbone by its checksum, unless it is to be stored."""
        super().on_save_checkpoint(checkpoint)
        if not self.store_backbone:
            drop_frozen(checkpoint, "backbone", self.backbone)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add the configured frozen backbone, if it is the one of the checkpoint."""
        restore_frozen(checkpoint, "backbone", self.backbone, str(self.config.weights))

    def _reset_start(self) -> None:
        """Set the step at which the initial targets begin: the first, or -1 before a collapse."""
        self.started.fill_(-1 if self.initial_targets.when == "collapse" else 0)

    def _propagated_logits(self, images: Tensor) -> Tensor:
        features = self._features(images)
        logits: Tensor = self.head(features)
        weight = self.inference.propagate
        return propagate(logits, self._first_features(features), weight) if weight else logits

    def _first_features(self, features: Tensor) -> Tensor:
        """Return those of the backbone's own facet and block, without the extra features."""
        return features[:, : self.backbone.widths[0]].float()

    @torch.no_grad()
    def _features(self, images: Tensor) -> Tensor:
        features: Tensor = self.backbone.features(images)
        return features

    @property
    def _masks_images(self) -> bool:
        return bool(self.terms.masked or self.terms.consistency)

    def _views(self, batch: Batch) -> Views:
        patch = self.backbone.patch_size
        height, width = (side // patch * patch for side in batch["images"].shape[-2:])
        images = batch["images"][..., :height, :width]
        features = self._features(images)
        self.head.observe(features)
        logits = masked_logits = self.head(features)
        masked_images = images
        if self._masks_images:
            masks = batch.get("regions")
            if masks is None:
                names = [sample.name for sample in batch["samples"]]
                masks = self.masker.draw(names, self.current_epoch, (height, width))
            masked_images = mask_images(images, masks.to(images.device), self.backbone.mean)
            masked_logits = self.patch_logits(masked_images)
        return Views(images, masked_images, features, logits, masked_logits)

    def _initial_terms(self, views: Views) -> tuple[Terms, Tensor]:
        """Return the terms with the initial targets, and these."""
        targets, image_weights = self._initial.refined(
            self.backbone, views.images, views.features, lambda: views.grid
        )
        weights = image_weights if self.initial_targets.weight_images else None
        terms = {"segmenter": binary_loss(views.logits, targets, None, weights)}
        if self._masks_images:
            terms["masked"] = binary_loss(views.masked_logits, targets, None, weights)
            terms["consistency"] = consistency_loss(
                views.logits, views.masked_logits, targets, targets, self.terms.consistency_kind
            )
        return terms, targets

    def _own_terms(self, views: Views, sharpen: bool) -> tuple[Terms, Tensor]:
        """Return the terms with the head's own refined predictions as targets, and these."""
        logits, masked_logits = views.logits, views.masked_logits
        binary = torch.cat([logits, masked_logits], 1).detach() > 0
        own = self.terms.masked_target == "own" and self._masks_images
        refined = self._refined(views.grid, binary if own else binary[:, :1])
        targets, masked_targets = refined[:, :1], refined[:, -1:]
        terms = {"segmenter": binary_loss(logits, targets)}
        if self._masks_images:
            terms["masked"] = binary_loss(masked_logits, masked_targets)
            terms["consistency"] = consistency_loss(
                logits, masked_logits, targets, masked_targets, self.terms.consistency_kind
            )
        if sharpen:
            terms["sharpen"] = sharpen_loss(logits)
        return terms, targets

    def _refined(self, grid: BilateralGrid, masks: Tensor) -> Tensor:
        return refine_targets(grid, masks, self.downsample).targets
