"""The base class of all methods."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, is_dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from pytorch_lightning import LightningModule
from torch import Tensor
from typing_extensions import Self

from sod.core.errors import SodError
from sod.core.files import state_checksum
from sod.core.formats import stamp
from sod.data.dataset import AnyBatch, Batch
from sod.engine.content import FORMAT
from sod.engine.later import Later, is_small
from sod.engine.location import weights_checksums
from sod.engine.monitors import LABEL_FREE, label_free_measures
from sod.engine.portable import portable_arguments
from sod.engine.proposals import map_proposals, token_proposals
from sod.engine.together import attempt_step, predict_by_size, timed
from sod.nn.backbones.base import Backbone
from sod.nn.inference import PatchModel
from sod.refinement.calibration import NONE, Calibrations, stated
from sod.tuning.choice import Tuned

if TYPE_CHECKING:
    from sod.engine.training import Training


@dataclass(frozen=True)
class LossOutput:
    """The loss of one training batch.

    Args:
        loss: A scalar to minimise.
        terms: The named terms of the loss, scalars, as they are logged.
        visuals: Images and maps for TensorBoard, each ``[B, 1 or 3, H, W]`` in [0, 1], by name.
    """

    loss: Tensor
    terms: dict[str, Tensor] = field(default_factory=dict)
    visuals: dict[str, Tensor] = field(default_factory=dict)


class Method(LightningModule, ABC):
    """Base class of all methods: a salient-object detector.

    A subclass defines :meth:`saliency` and, if it is trained, :meth:`loss` and
    ``configure_optimizers``. The base provides the loops, logging, checkpoints and prediction.
    Constructor parameters are primitives or dataclasses of primitives: they are the config keys and
    are stored in checkpoints. The constructor calls ``self.save_hyperparameters()``.

    Attributes:
        calibrations: How maps are changed after each refinement, as `sod calibrate` chose it;
            :meth:`saliency` itself is not.
        concurrent: Whether :meth:`saliency` changes nothing, so that threads may call it beside
            each other.
        predicts_later: Whether a loop wants steps to leave small images to its threads.
    """

    calibrations: Calibrations = NONE
    concurrent: bool = False
    predicts_later: bool = False

    @abstractmethod
    def saliency(self, images: Tensor) -> Tensor:
        """Return saliency ``[B, 1, H, W]`` in [0, 1] of RGB ``images [B, 3, H, W]`` in [0, 1]."""

    def loss(self, batch: Batch) -> LossOutput:
        """Return the loss of one training batch.

        Raises:
            SodError: The method is training-free.
        """
        raise SodError(f"{type(self).__name__} has nothing to train: use `evaluate` or `predict`.")

    @classmethod
    def reads_groups(cls) -> bool:
        """Return whether the method compares images: it is then given whole groups of them."""
        return False

    def group_saliency(self, images: Sequence[Tensor]) -> list[Tensor]:
        """Return the saliency of the images of one group, here of those of one size together.

        Args:
            images: RGB in [0, 1], each ``[3, H, W]`` of any size.

        Returns:
            Per image ``[1, H, W]`` in [0, 1].
        """
        return predict_by_size(self.saliency, images)

    def maps(self, images: Tensor | list[Tensor]) -> Tensor | list[Tensor]:
        """Return the saliency of images ``[B, 3, H, W]``, or of a group or a window of them."""
        return self.saliency(images) if isinstance(images, Tensor) else self.group_saliency(images)

    def proposals(self, image: Tensor, saliency: Tensor) -> list[Tensor]:
        """Return maps of one image that may be the wanted object, for several answers.

        Args:
            image: RGB in [0, 1], ``[3, H, W]``.
            saliency: The method's own map of it, ``[H, W]`` in [0, 1].

        Returns:
            Each ``[H, W]`` in [0, 1]; the first is the own map. Here the others are its components,
            the map at other thresholds, and with a frozen ``backbone`` segments of its features
            and the objects of recursive cuts. Methods with further sources override this.
        """
        backbone = getattr(self, "backbone", None)
        parts = token_proposals(backbone, image) if isinstance(backbone, Backbone) else []
        return [*map_proposals(saliency), *parts]

    @classmethod
    def is_trainable(cls) -> bool:
        """Return whether the method can be trained."""
        return cls.loss is not Method.loss or cls.fit is not Method.fit

    @classmethod
    def logs_score(cls) -> bool:
        """Return whether the method logs the label-free ``val/score`` that selects a checkpoint."""
        return cls.validation_step is not LightningModule.validation_step

    @classmethod
    def tuned_arguments(cls, tuned: Tuned) -> dict[str, Any]:
        """Return the constructor's arguments that a tuned descriptor sets, as primitives.

        Args:
            tuned: What `sod tune` chose.

        Raises:
            SodError: The method has no use for it.
        """
        raise SodError(
            f"{cls.__name__} takes no tuned descriptor; TokenCut, Peekaboo, ConnNet and "
            "Generations do."
        )

    def check_training(self, training: "Training") -> None:
        """Check data and options of a training before anything is written.

        Raises:
            SodError: One of them is not there or does not suit the method.
        """
        training.check()

    def fit(self, training: "Training") -> None:
        """Train the method. A method that trains in stages overrides this.

        Args:
            training: Data, folder, options, and a builder of trainers.
        """
        training.load_checkpoint(self)
        self.prepare_training(training)
        training.run(self)

    def prepare_training(self, training: "Training") -> None:
        """Do what has to be done before the first step, such as writing pseudo-masks."""

    def training_step(self, batch: Batch, batch_idx: int) -> dict[str, Any]:
        """Compute the loss and log its terms.

        Returns:
            ``loss`` and ``visuals``, which the hooks and callbacks of the step receive.

        Raises:
            SodError: A term is not finite; the optimiser step is not taken.
        """
        output = self.loss(batch)
        terms = {"loss": output.loss, **output.terms}
        finite = torch.stack([torch.isfinite(term).all() for term in terms.values()]).tolist()
        bad = [name for name, is_finite in zip(terms, finite, strict=True) if not is_finite]
        if bad:
            files = ", ".join(str(sample.image) for sample in batch["samples"][:4])
            raise SodError(
                f"step {self.global_step}: the loss term {', '.join(bad)} is not finite "
                f"(images {files}, ...): lower the learning rate or use precision 32."
            )
        for name, term in terms.items():
            self.log(f"train/{name}", term.detach(), prog_bar=name == "loss", sync_dist=True)
        return {"loss": output.loss, "visuals": output.visuals}

    def log_label_free_measures(self, images: Tensor) -> None:
        """Log as ``val/...`` the measures that need no mask; ``val/score`` is a product of them.

        Args:
            images: ``[B, 3, H, W]`` in [0, 1], of a validation batch. A process without images
                has none; its values have no weight.
        """
        nothing = dict.fromkeys(LABEL_FREE, images.new_zeros(1))
        measures = label_free_measures(self.saliency, images) if len(images) else nothing
        for name, values in measures.items():
            self.log_mean(f"val/{name}", values.mean(), len(images))

    def log_mean(self, name: str, value: Tensor, images: int) -> None:
        """Log the mean of a validation over the images of all processes.

        Args:
            name: Of the figure.
            value: Its mean over a batch.
            images: Images of the batch; 0: the value has no weight.
        """
        # Lightning divides the sum of all weights by the processes, without a remainder.
        weight = images * self.trainer.world_size
        self.log(name, value, batch_size=weight, sync_dist=True, add_dataloader_idx=False)

    def test_step(self, batch: AnyBatch, batch_idx: int, dataloader_idx: int = 0) -> Any:  # noqa: ANN401
        """Predict saliency and measure the time per image; a batch of no images gives no maps.

        Where ``predicts_later`` is set, a small image is left to the threads of the loop.
        """
        if self.predicts_later and is_small(batch):
            return Later(partial(timed, self.maps, batch))
        return timed(self.maps, batch)

    def predict_step(self, batch: AnyBatch, batch_idx: int, dataloader_idx: int = 0) -> Any:  # noqa: ANN401
        """Predict as :meth:`test_step`; images that do not fit into memory end nothing."""
        return attempt_step(lambda b: self.test_step(b, batch_idx), batch, not self.reads_groups())

    def configure_optimizers(self) -> Any:  # noqa: ANN401 - Lightning's own signature
        """Return None: a training-free method has no optimiser."""
        return None

    def is_traceable(self) -> bool:
        """Return whether :meth:`saliency` is one graph of tensor operations, as ONNX needs."""
        return True

    def patch_model(self) -> PatchModel | None:
        """Return the model of patches that :meth:`saliency` gives images of any size to.

        With one, an ONNX graph can take any height and width. Here None: the method has none.
        """
        return None

    def weights_checksum(self) -> str:
        """Return a checksum of all weights: other weights give other maps."""
        return state_checksum(self.state_dict())

    def arguments(self) -> dict[str, Any]:
        """Return the constructor's arguments as primitives, as a config holds them."""
        return {name: primitive(value) for name, value in self.hparams.items()}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Store name and arguments as primitives, so that opening the file runs no code."""
        checkpoint |= {"method": type(self).__name__, **stamp(FORMAT)}
        checkpoint["hyper_parameters"] = self.arguments()
        checkpoint["weights_sha256"] = weights_checksums(checkpoint["hyper_parameters"])

    # Lightning's own version passes nested arguments as dicts, which constructors do not take.
    @classmethod
    def load_from_checkpoint(  # type: ignore[override]
        cls,
        checkpoint_path: str | Path,
        map_location: str | torch.device | None = None,
        **arguments: Any,  # noqa: ANN401 - whatever the constructor takes
    ) -> Self:
        """Build the method of a checkpoint, with its weights.

        Args:
            checkpoint_path: A checkpoint of `sod fit`, or a model of `sod export`.
            map_location: The device of the result.
            arguments: Arguments that replace those of the checkpoint, as primitives.

        Raises:
            SodError: The file is missing or unusable, or holds another method.
        """
        from sod.engine.building import build_from_checkpoint

        method = build_from_checkpoint(str(checkpoint_path), arguments)
        if not isinstance(method, cls):
            raise SodError(
                f"{checkpoint_path}: holds a {type(method).__name__}, not a {cls.__name__}."
            )
        return method.to(map_location) if map_location is not None else method

    def portable(self) -> dict[str, Any]:
        """Return a checkpoint that holds all weights and refers to no other file."""
        return {
            "method": type(self).__name__,
            **stamp(FORMAT),
            "hyper_parameters": portable_arguments(self.arguments()),
            "state_dict": self.state_dict(),
            **stated(self.calibrations),
        }


def primitive(value: Any) -> Any:  # noqa: ANN401 - whatever a constructor takes
    """Return a constructor's argument with dataclasses as mappings, as a config holds it."""
    if isinstance(value, list):
        return [primitive(item) for item in value]
    return asdict(value) if is_dataclass(value) and not isinstance(value, type) else value


def calibrations_of(module: LightningModule) -> Calibrations:
    """Return how the maps of a module are changed after their refinement; others have none."""
    return module.calibrations if isinstance(module, Method) else NONE
