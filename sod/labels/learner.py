"""The base class of methods that are trained on pseudo-masks or real masks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from pytorch_lightning.utilities.types import OptimizerLRSchedulerConfig
from torch import Tensor

from sod.core.errors import SodError
from sod.data.datamodule import SaliencyData
from sod.data.dataset import Batch
from sod.data.levels import from_levels
from sod.data.samples import Sample
from sod.engine.method import Method
from sod.engine.optimisers import OptimiserConfig
from sod.engine.training import Training
from sod.labels.estimates import estimated
from sod.labels.estimates.recorded import key_of, recorded
from sod.labels.selection import (
    ESTIMATES,
    Candidate,
    SelectionConfig,
    select,
    selected_scores,
)
from sod.labels.skipping import report_failures, without_unreadable
from sod.labels.store import LabelStore, complete_store
from sod.labels.teachers import build_teacher
from sod.labels.writing import write_labels
from sod.nn.backbones.base import Backbone
from sod.refinement.kinds import Refinement, parse_refinements
from sod.spectral.masks import MasksConfig

MASKS = MasksConfig()
SELECTION = SelectionConfig(later=None, least=1, border=1.0, outside="last", score="contrast")


@dataclass(frozen=True)
class LabelsConfig:
    """The masks that a method is trained on.

    Args:
        kind: ``pseudo`` (no mask is opened) or real ``masks``, which needs data.supervised.
        store: A pseudo-label store, as `sod predict --pseudo` writes it; null: ``pseudo`` in the
            folder of the run. What a teacher's store lacks is written before the training.
        teacher: Makes the pseudo-masks: a config (FILE.yaml, or several joined by +) or a
            checkpoint; null: TokenCut on this backbone's first features, or nothing if ``store`` is
            given.
        tau: TokenCut's threshold, where it is the teacher.
        masks: How its cut becomes a mask.
        refine: Refinement of the teacher's maps.
        selection: Which pseudo-masks are trained on.
        weight_images: Weight images by the score of their pseudo-masks.
        weight_pixels: Weight pixels by the distance of the soft map from one half.
    """

    kind: Literal["pseudo", "masks"] = "pseudo"
    store: str | None = None
    teacher: str | None = None
    tau: float = 0.2
    masks: MasksConfig = MASKS
    refine: Refinement = "bilateral"
    selection: SelectionConfig = SELECTION
    weight_images: bool = False
    weight_pixels: bool = False

    def __post_init__(self) -> None:
        """Reject an unknown refinement."""
        parse_refinements(self.refine, "labels.refine")


class LabelLearner(Method):
    """A method that is trained on the masks in its batches, pseudo-masks as a rule.

    A subclass passes ``labels`` and ``optimiser`` on and defines ``saliency`` and ``loss``.

    Args:
        labels: The masks that it is trained on.
        optimiser: Optimiser and schedule.
    """

    def __init__(self, labels: LabelsConfig, optimiser: OptimiserConfig) -> None:
        super().__init__()
        self.labels, self.optimiser = labels, optimiser
        self.label_weights: dict[str, float] = {}

    def default_teacher(self) -> Method:
        """Return the teacher that is used if the labels name neither a store nor a teacher.

        Raises:
            SodError: The method has none.
        """
        raise SodError(f"{type(self).__name__}: labels need a store or a teacher: name one of them")

    def frozen_backbone(self) -> Backbone:
        """Return the frozen backbone whose features the estimates of pseudo-masks see.

        Raises:
            SodError: The method has none.
        """
        raise SodError(
            f"labels.selection.score: {self.labels.selection.score} needs the features of a frozen "
            f"backbone, which this {type(self).__name__} has not: use contrast"
        )

    def check_training(self, training: Training) -> None:
        """Check data and options, and that there are features for the selection."""
        training.data.expect_labels()  # pseudo-masks come later
        super().check_training(training)
        if self.labels.kind == "pseudo" and self.labels.selection.score in ESTIMATES:
            self.frozen_backbone()

    def prepare_training(self, training: Training) -> None:
        """Write the pseudo-masks that are missing, select among them, pass them to the data.

        Raises:
            SodError: The labels are not there, or cannot be made.
        """
        data = training.data
        if self.labels.kind == "masks":
            if not data.supervised:
                raise SodError("labels.kind is masks, but data.supervised is false: set it.")
            return
        samples: Sequence[Sample] = data.train_samples()
        store = self._open_store(samples, training)
        samples = [sample for sample in samples if sample.name in store.labels]
        candidates = [Candidate.of(store.labels[sample.name]) for sample in samples]
        if self.labels.selection.score in ESTIMATES:
            candidates = self._estimated(candidates, samples, store, training)
        scores = selected_scores(select(candidates, self.labels.selection))
        self.use_labels(data, samples, store, scores)
        training.report(f"{len(scores)} of {len(samples)} pseudo-masks of {store.folder} are used")

    def use_labels(
        self,
        data: SaliencyData,
        samples: Sequence[Sample],
        store: LabelStore,
        scores: Mapping[str, float],
    ) -> None:
        """Train on the pseudo-masks of the scored samples.

        Args:
            data: The training data, which reads these masks from now on.
            samples: The training samples.
            store: Their pseudo-masks.
            scores: Score of each pseudo-mask by the sample's name; samples without one are left
                out.
        """
        self.label_weights = {name: min(max(score, 0.1), 1.0) for name, score in scores.items()}
        used = [sample for sample in samples if sample.name in scores]
        sureness = {sample.image: scores[sample.name] for sample in used}
        data.train_on({sample.image: store.path(sample.name) for sample in used}, sureness)

    def targets(self, batch: Batch) -> Tensor:
        """Return the masks of a batch, ``[B, 1, H, W]`` in [0, 1].

        Raises:
            SodError: An image has none.
        """
        masks = [mask for mask in batch["masks"] if mask is not None]
        if len(masks) < len(batch["images"]):
            name = type(self).__name__
            raise SodError(f"{name}: an image has no (pseudo-)mask to train on: use `sod fit`.")
        return from_levels(torch.stack(masks)[:, None]).to(batch["images"])

    def weights_of(self, batch: Batch, targets: Tensor) -> tuple[Tensor | None, Tensor | None]:
        """Return the weights of pixels ``[B, 1, H, W]`` and images ``[B]``; None for equal ones."""
        pixels = (2 * targets - 1).abs() if self.labels.weight_pixels else None
        images = None
        if self.labels.weight_images and self.label_weights:
            names = [sample.name for sample in batch["samples"]]
            images = targets.new_tensor([self.label_weights[name] for name in names])
        return pixels, images

    def validation_step(self, batch: Batch, batch_idx: int, dataloader_idx: int = 0) -> None:
        """Log the label-free measures; ``val/score`` selects the checkpoint."""
        self.log_label_free_measures(batch["images"])

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        """Train everything that is not frozen."""
        learning = [parameter for parameter in self.parameters() if parameter.requires_grad]
        return self.optimiser.build(learning, self.trainer.estimated_stepping_batches)

    def _estimated(
        self,
        candidates: list[Candidate],
        samples: Sequence[Sample],
        store: LabelStore,
        training: Training,
    ) -> list[Candidate]:
        """Return the candidates with their estimates, which are kept in the folder of the run."""
        rules, seed, backbone = self.labels.selection, training.data.seed, self.frozen_backbone()
        place = backbone.mean.device
        device = training.build_trainer([]).strategy.root_device
        key = key_of(samples, store, rules, seed, backbone.identity())
        try:
            backbone.to(device)
            scores = recorded(
                training.folder / "estimates.json",
                key,
                lambda: estimated(candidates, rules, samples, store, backbone, seed),
            )
        finally:
            backbone.to(place)
        return [each._replace(estimate=scores[each.name]) for each in candidates]

    def _open_store(self, samples: Sequence[Sample], training: Training) -> LabelStore:
        """Return the store with the pseudo-masks of the samples, written where they are missing."""
        labels = self.labels
        if labels.teacher is None and labels.store is not None:
            readable = (
                samples
                if training.data.strict
                else without_unreadable(labels.store, samples, training.report)
            )
            return complete_store(labels.store, readable)
        teacher = build_teacher(labels.teacher) if labels.teacher else self.default_teacher()
        folder = Path(labels.store) if labels.store else training.folder / "pseudo"
        written = write_labels(
            {"teacher": teacher},
            samples,
            {"teacher": folder},
            training.build_trainer,
            refinement=labels.refine,
            workers=training.data.configured_workers,
            collect_failures=not training.data.strict,
            together=training.data.eval_batch_size,
            precision="32-true",
        )
        report_failures(written.failures, training.report)
        return written.stores["teacher"]
