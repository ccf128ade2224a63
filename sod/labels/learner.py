"""The base of methods that learn from pseudo-masks of others, or from real masks."""

import tempfile
from collections.abc import Mapping
from pathlib import Path

import torch
from pytorch_lightning.loggers import TensorBoardLogger
from pytorch_lightning.utilities import rank_zero_info
from pytorch_lightning.utilities.types import OptimizerLRSchedulerConfig
from torch import Tensor

from sod.core.errors import SodError
from sod.data.datamodule import SaliencyData
from sod.data.dataset import Batch
from sod.data.samples import Sample
from sod.engine.method import Method
from sod.engine.optimisers import CosineOptimiser
from sod.labels.store import LabelStore, select
from sod.labels.teachers import LabelsConfig, build_teacher, complete_store, fill_store


class LabelLearner(Method):
    """A method that learns from the masks in its batches, pseudo-masks as a rule.

    A subclass keeps ``labels`` and ``optimiser`` as its constructor was given them, and defines
    ``saliency`` and ``loss``.

    Args:
        labels: What it learns from.
        optimiser: Optimiser and schedule.
    """

    def __init__(self, labels: LabelsConfig, optimiser: CosineOptimiser) -> None:
        super().__init__()
        self.labels, self.optimiser = labels, optimiser
        self.weights: dict[str, float] = {}
        self.shown: dict[str, Tensor] = {}

    def default_teacher(self) -> Method:
        """Return the teacher that is used where the labels name neither a store nor a teacher.

        Raises:
            SodError: The method has none.
        """
        raise SodError(f"{type(self).__name__}: labels need a store or a teacher: name one of them")

    def setup(self, stage: str) -> None:
        """Before training: have the pseudo-masks made, choose among them, hand them to the data.

        Nothing is done where a teacher has already told the data what to learn from.

        Raises:
            SodError: The labels asked for are not there.
        """
        data = getattr(self.trainer, "datamodule", None)
        if stage != "fit" or not isinstance(data, SaliencyData) or data.relabelled:
            return
        if self.labels.kind == "masks":
            if not data.supervised:
                raise SodError("labels.kind is masks, but data.supervised is false: set it.")
            return
        samples = data.train_samples()
        store = self._store(samples)
        labels = [store.labels[sample.name] for sample in samples]
        chosen = select(labels, self.labels.keep, self.labels.low, self.labels.high)
        self.learn_from(
            data,
            {s.image: store.path(s.name) for s in samples},
            {label.name: label.score for label in chosen},
        )
        rank_zero_info(f"{len(chosen)} of {len(samples)} pseudo-masks of {store.folder} are used")

    def targets(self, batch: Batch) -> Tensor:
        """Return the masks of a batch, ``[B, 1, H, W]`` in [0, 1].

        Raises:
            SodError: An image came without one.
        """
        masks = [mask for mask in batch["masks"] if mask is not None]
        if len(masks) < len(batch["images"]):
            name = type(self).__name__
            raise SodError(f"{name}: an image came without mask or pseudo-mask to learn from.")
        return torch.stack(masks)[:, None].to(batch["images"]) / 255

    def trust(self, batch: Batch, targets: Tensor) -> tuple[Tensor | None, Tensor | None]:
        """Return how far pixels ``[B, 1, H, W]`` and images ``[B]`` are trusted, None where all."""
        pixels = (2 * targets - 1).abs() if self.labels.trust_pixels else None
        images = None
        if self.labels.trust_images and self.weights:
            names = [sample.name for sample in batch["samples"]]
            images = targets.new_tensor([self.weights[name] for name in names])
        return pixels, images

    def validation_step(self, batch: Batch, batch_idx: int, dataloader_idx: int = 0) -> None:
        """Log what can be said of a checkpoint without any mask; ``val/score`` chooses it."""
        self.log_label_free(batch["images"])

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        """Train what is not frozen with AdamW; the rate falls per optimiser step."""
        learning = [parameter for parameter in self.parameters() if parameter.requires_grad]
        return self.optimiser.build(learning, self.trainer.estimated_stepping_batches)

    def learn_from(
        self, data: SaliencyData, files: Mapping[Path, Path], scores: Mapping[str, float]
    ) -> None:
        """Train on pseudo-masks: those of the scored samples.

        Args:
            data: Is told which image has which pseudo-mask.
            files: The pseudo-mask of each image file.
            scores: By a sample's name, how good its pseudo-mask is; other samples are left out.
        """
        self.weights = {name: min(max(score, 0.1), 1.0) for name, score in scores.items()}
        named = {sample.image: sample.name for sample in data.train_samples()}
        data.train_on({image: file for image, file in files.items() if named[image] in scores})

    def _store(self, samples: list[Sample]) -> LabelStore:
        """Return the pseudo-labels of the samples, made by the teacher where they are missing."""
        labels, strategy = self.labels, self.trainer.strategy
        folder = strategy.broadcast(labels.store or self._own_folder())
        if labels.teacher is not None:
            teacher = build_teacher(labels.teacher)
        elif labels.store is not None:
            return complete_store(folder, samples)
        else:
            teacher = self.default_teacher()
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
