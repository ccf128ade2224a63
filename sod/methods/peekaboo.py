"""PEEKABOO: a light head on frozen features learns with a part of each image hidden.

Zunair & Ben Hamza, BMVC 2024 (arXiv 2407.17628), on the training of FOUND (Siméoni et al., CVPR
2023). The published computation and what is better than it are options of one method.
"""

from typing import Any

import torch
from pytorch_lightning.utilities import rank_zero_warn
from pytorch_lightning.utilities.types import OptimizerLRSchedulerConfig
from torch import Tensor

from sod.core.distributed import mean_over_processes
from sod.core.errors import SodError
from sod.data.dataset import Batch
from sod.data.masking import HiddenConfig, Hider, hide
from sod.engine.frozen import leave_out, put_back
from sod.engine.method import Method
from sod.engine.monitors import (
    CollapseGuard,
    GuardConfig,
    foreground_shares,
)
from sod.engine.optimisers import FallingOptimiser
from sod.labels.initial_targets import StartConfig, tokencut_masks, trust_in
from sod.nn.backbones.build import BackboneConfig, build_backbone
from sod.nn.backbones.found import FoundSeed
from sod.nn.decoders.patch_head import PatchHead
from sod.nn.inference import InferenceConfig, image_logits
from sod.nn.losses.peekaboo import TermsConfig, consistency_loss, sharpen_loss, total_loss
from sod.nn.losses.saliency import binary_loss
from sod.nn.propagation import propagate
from sod.refine import BilateralGrid, refine_targets
from sod.refine.targets import Downsample

BACKBONE = BackboneConfig(name="vit_small_patch8_224.dino")
TERMS, START, HIDDEN, GUARD = TermsConfig(), StartConfig(), HiddenConfig(), GuardConfig()


OPTIMISER, INFERENCE = FallingOptimiser(), InferenceConfig()


class Peekaboo(Method):
    """A 1×1 convolution on frozen features, trained on its own refined predictions.

    Args:
        backbone: The frozen feature extractor.
        standardise: Standardise each channel of the features; published: no.
        zero_init: Start from zero weights instead of random ones; published: no.
        terms: The loss.
        start: The first targets; published: none.
        hidden: The part that is hidden.
        downsample: How a refined mask becomes a target on the patches: ``any`` pixel makes a patch
            foreground (published; grows objects by up to a patch), more than ``half`` of it, or
            the share of its ``area``.
        guard: What is done about a collapse.
        optimiser: Optimiser and schedule.
        inference: How saliency is asked for.
        store_backbone: Store the frozen backbone in checkpoints instead of its checksum.
    """

    def __init__(
        self,
        backbone: BackboneConfig = BACKBONE,
        standardise: bool = False,
        zero_init: bool = False,
        terms: TermsConfig = TERMS,
        start: StartConfig = START,
        hidden: HiddenConfig = HIDDEN,
        downsample: Downsample = "any",
        guard: GuardConfig = GUARD,
        optimiser: FallingOptimiser = OPTIMISER,
        inference: InferenceConfig = INFERENCE,
        store_backbone: bool = False,
    ) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.config = backbone
        self.backbone = build_backbone(backbone)
        self.head = PatchHead(self.backbone.channels, standardise, zero_init)
        self.guard = CollapseGuard(guard)
        self.terms, self.start, self.inference = terms, start, inference
        self.optimiser, self.downsample = optimiser, downsample
        self.store_backbone = store_backbone
        self.hider = Hider(hidden)
        self.started: Tensor
        self.register_buffer("started", torch.zeros((), dtype=torch.int64))
        self._rewind()
        # In a list, so that a second backbone is neither trained nor stored.
        self._found: list[FoundSeed] = []
        self._finding: str | None = None
        self.shown: dict[str, Tensor] = {}

    def patch_logits(self, images: Tensor) -> Tensor:
        """Return logits ``[B, 1, h, w]`` of images whose sides are multiples of the patch."""
        logits: Tensor = self.head(self._features(images))
        return logits

    def saliency(self, images: Tensor) -> Tensor:
        """Return the sigmoid of the logits, brought to the images' size."""
        patch, mean = self.backbone.patch_size, self.backbone.mean
        return image_logits(self._propagated, images, self.inference, patch, mean).sigmoid()

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """Return the weighted sum of the terms, and each of them."""
        images = self._whole_patches(batch["images"])
        features = self._features(images)
        self.head.observe(features)
        logits = self.head(features)
        hidden_images = self._hide(images, batch)
        hidden_logits = logits if hidden_images is images else self.patch_logits(hidden_images)
        grid = BilateralGrid(images.float())
        if self.starting and self.start.role == "targets":
            terms, targets = self._start_terms(images, features, logits, hidden_logits, grid)
        else:
            terms, targets = self._own_terms(logits, hidden_logits, grid)
            if self.starting:
                first = self._refined(grid, self._first_masks(images, features))
                terms["start"] = binary_loss(logits, first)
        if not self._hides:
            terms = {name: terms[name] for name in terms.keys() - {"hidden", "consistency"}}
        self.shown = {
            "image": images,
            "hidden": hidden_images,
            "prediction": logits.detach().float().sigmoid(),
            "target": targets,
        }
        return {"loss": total_loss(terms, self.terms, self.start.weight), **terms}

    @property
    def starting(self) -> bool:
        """Whether the label-free start has not ended yet."""
        if self.start.kind == "none" or self.started < 0:
            return False
        steps = self.start.steps
        return steps is None or self.global_step - int(self.started) < steps

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Take the loss and log the monitors beside its terms."""
        loss = super().training_step(batch, batch_idx)
        shares = foreground_shares(self.shown["prediction"])
        means = mean_over_processes(torch.stack([share.mean() for share in shares.values()]))
        for name, share in zip(shares, means, strict=True):
            self.log(f"monitor/{name}", share)
        watched = dict(zip(shares, means.tolist(), strict=True))
        self._finding = self.guard.update(watched["foreground"], watched["border"])
        return loss

    def on_train_batch_end(self, outputs: Any, batch: Batch, batch_idx: int) -> None:  # noqa: ANN401
        """Act upon a collapse, after the step, when the weights may be changed."""
        if self._finding is None:
            return
        restart = self.guard.config.action == "restart"
        what = "starting over with a fresh head" if restart else "going on, as guard.action says"
        rank_zero_warn(f"step {self.global_step}: collapsed: {self._finding}; {what}")
        if restart:
            self.head.reset(seed=self.global_step)
            self.started.fill_(self.global_step)
            self.trainer.optimizers[0].state.clear()

    def on_fit_start(self) -> None:
        """Begin with the start, unless the run is resumed."""
        if self.global_step == 0:
            self._rewind()

    def _rewind(self) -> None:
        """Set the step that the start began at: the first one, or none before a collapse."""
        self.started.fill_(-1 if self.start.when == "collapse" else 0)

    def validation_step(self, batch: Batch, batch_idx: int, dataloader_idx: int = 0) -> None:
        """Log what can be said of a checkpoint without any mask; ``val/score`` chooses it."""
        self.log_label_free(batch["images"])

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        """Train the head with AdamW; the rate falls per optimiser step, not per epoch."""
        return self.optimiser.build(self.head.parameters(), self.trainer.estimated_stepping_batches)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Leave the frozen backbone out, unless asked for; its checksum stays."""
        super().on_save_checkpoint(checkpoint)
        if not self.store_backbone:
            leave_out(checkpoint, "backbone", self.backbone)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Supply the frozen backbone from where the configuration says, if it is the same one."""
        put_back(checkpoint, "backbone", self.backbone, str(self.config.weights))

    def _propagated(self, images: Tensor) -> Tensor:
        features = self._features(images)
        logits: Tensor = self.head(features)
        if not self.inference.propagate:
            return logits
        return propagate(logits, self._first_features(features), self.inference.propagate)

    def _first_features(self, features: Tensor) -> Tensor:
        """Return those of the backbone's own facet and block, without the further ones."""
        return features[:, : self.backbone.widths[0]].float()

    def _features(self, images: Tensor) -> Tensor:
        with torch.no_grad():
            features: Tensor = self.backbone(images)
        return features

    @property
    def _hides(self) -> bool:
        return bool(self.terms.hidden or self.terms.consistency)

    def _whole_patches(self, images: Tensor) -> Tensor:
        patch = self.backbone.patch_size
        height, width = (side // patch * patch for side in images.shape[-2:])
        return images[..., :height, :width]

    def _hide(self, images: Tensor, batch: Batch) -> Tensor:
        if not self._hides:
            return images
        names = [sample.name for sample in batch["samples"]]
        size = (images.shape[2], images.shape[3])
        hidden = self.hider.draw(names, self.current_epoch, size).to(images.device)
        return hide(images, hidden, self.backbone.mean)

    def _first_masks(self, images: Tensor, features: Tensor) -> Tensor:
        with torch.autocast(images.device.type, enabled=False):
            if self.start.kind == "found":
                return self._found_seed().masks(images.float(), self.start.tau)
            return tokencut_masks(self._first_features(features), self.start.tau)

    def _found_seed(self) -> FoundSeed:
        """Build it when it is needed: prediction never does."""
        if self.config.weights is None and self.store_backbone:
            raise SodError(
                "start.kind: 'found' needs more of the backbone than an exported model has: give "
                "--model.backbone.weights FILE, or --model.start.kind tokencut (or none)."
            )
        self._found = self._found or [FoundSeed(self.config)]
        return self._found[0]

    def _start_terms(
        self,
        images: Tensor,
        features: Tensor,
        logits: Tensor,
        hidden_logits: Tensor,
        grid: BilateralGrid,
    ) -> tuple[dict[str, Tensor], Tensor]:
        masks = self._first_masks(images, features)
        targets, _, soft = refine_targets(grid, masks, self.downsample)
        trust = trust_in(soft) if self.start.trust else None
        terms = {
            "segmenter": binary_loss(logits, targets, None, trust),
            "hidden": binary_loss(hidden_logits, targets, None, trust),
            "consistency": consistency_loss(
                logits, hidden_logits, targets, targets, self.terms.consistency_kind
            ),
        }
        return terms, targets

    def _own_terms(
        self, logits: Tensor, hidden_logits: Tensor, grid: BilateralGrid
    ) -> tuple[dict[str, Tensor], Tensor]:
        binary = torch.cat([logits, hidden_logits], 1).detach() > 0
        own = self.terms.hidden_target == "own" and self._hides
        refined = self._refined(grid, binary if own else binary[:, :1])
        targets, hidden_targets = refined[:, :1], refined[:, -1:]
        kind = self.terms.consistency_kind
        terms = {
            "segmenter": binary_loss(logits, targets),
            "hidden": binary_loss(hidden_logits, hidden_targets),
            "consistency": consistency_loss(logits, hidden_logits, targets, hidden_targets, kind),
        }
        if not self.starting:
            terms["sharpen"] = sharpen_loss(logits)
        return terms, targets

    def _refined(self, grid: BilateralGrid, masks: Tensor) -> Tensor:
        return refine_targets(grid, masks, self.downsample).targets
