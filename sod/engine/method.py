"""The base of every method: what it has to say, and the loops it gets for saying it."""

import inspect
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import asdict, is_dataclass
from typing import Any, TypedDict

import torch
from pytorch_lightning import LightningModule
from torch import Tensor

from sod.core.errors import SodError
from sod.data.dataset import Batch
from sod.engine.monitors import label_free
from sod.engine.portable import portable_arguments


class Prediction(TypedDict):
    """Saliency of one batch.

    Attributes:
        saliency: ``[B, 1, H, W]`` in [0, 1], at the size of the batch's images.
        seconds: Wall-clock time that one image took, the device's queue included.
    """

    saliency: Tensor
    seconds: float


class Method(LightningModule, ABC):
    """A salient-object detector.

    A subclass defines :meth:`saliency` and, where it learns, :meth:`loss` and
    ``configure_optimizers``; loops, logging, metrics, checkpoints and prediction are given.
    Constructor parameters are primitives or dataclasses of primitives, and the constructor calls
    ``self.save_hyperparameters()``: they are the config keys and they travel in the checkpoint.
    """

    @abstractmethod
    def saliency(self, images: Tensor) -> Tensor:
        """Return saliency ``[B, 1, H, W]`` in [0, 1] of RGB ``images [B, 3, H, W]`` in [0, 1]."""

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """Return ``loss`` and its named terms, each a scalar, for one training batch.

        Raises:
            SodError: The method is training-free.
        """
        raise SodError(f"{type(self).__name__} has nothing to train: use `evaluate` or `predict`.")

    @classmethod
    def learns(cls) -> bool:
        """Say whether the method can be trained."""
        return cls.loss is not Method.loss

    @classmethod
    def scores(cls) -> bool:
        """Say whether the method logs the label-free ``val/score`` that chooses a checkpoint."""
        return cls.validation_step is not LightningModule.validation_step

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Log every loss term and return the loss.

        Raises:
            SodError: A term is not finite; the step is not taken.
        """
        terms = self.loss(batch)
        broken = [name for name, term in terms.items() if not torch.isfinite(term).all()]
        if broken:
            files = ", ".join(str(sample.image) for sample in batch["samples"][:4])
            raise SodError(
                f"step {self.global_step}: the loss term {', '.join(broken)} is not finite "
                f"(images {files}, ...): lower the learning rate or use precision 32."
            )
        for name, term in terms.items():
            self.log(f"train/{name}", term.detach(), prog_bar=name == "loss", sync_dist=True)
        return terms["loss"]

    def log_label_free(self, images: Tensor) -> None:
        """Log as ``val/...`` what can be said without any mask; ``val/score`` is the sum of it.

        Args:
            images: ``[B, 3, H, W]`` in [0, 1], of a validation batch.
        """
        for name, values in label_free(self.saliency, images).items():
            self.log(
                f"val/{name}",
                values.mean(),
                batch_size=len(images),
                sync_dist=True,
                add_dataloader_idx=False,
            )

    def test_step(self, batch: Batch, batch_idx: int, dataloader_idx: int = 0) -> Prediction:
        """Detect, and measure the time per image."""
        start = time.perf_counter()
        saliency = self.saliency(batch["images"])
        if saliency.is_cuda:
            torch.cuda.synchronize(saliency.device)
        seconds = (time.perf_counter() - start) / len(saliency)
        return {"saliency": saliency, "seconds": seconds}

    def predict_step(self, batch: Batch, batch_idx: int, dataloader_idx: int = 0) -> Prediction:
        """Detect, as :meth:`test_step` does; a batch whose files were all bad gives no maps."""
        if not len(batch["images"]):
            return {"saliency": batch["images"][:, :1], "seconds": 0.0}
        return self.test_step(batch, batch_idx)

    def configure_optimizers(self) -> Any:  # noqa: ANN401 - Lightning's own signature
        """Return nothing: a training-free method has no optimiser."""
        return None

    def traceable(self) -> bool:
        """Say whether :meth:`saliency` is one graph of tensor operations, as ONNX holds it."""
        return True

    def arguments(self) -> dict[str, Any]:
        """Return the constructor's arguments as primitives: what a config would say."""
        return {name: _primitive(value) for name, value in self.hparams.items()}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Store name and arguments as primitives, so that the file opens without its code run."""
        checkpoint["method"] = type(self).__name__
        checkpoint["hyper_parameters"] = self.arguments()

    def portable(self) -> dict[str, Any]:
        """Return a checkpoint that holds all weights and names no file: it needs nothing else."""
        return {
            "method": type(self).__name__,
            "hyper_parameters": portable_arguments(self.arguments()),
            "state_dict": self.state_dict(),
        }


def known_methods() -> Iterator[type[Method]]:
    """Yield every concrete method that is defined."""
    waiting = list(Method.__subclasses__())
    while waiting:
        cls = waiting.pop(0)
        waiting += cls.__subclasses__()
        if not inspect.isabstract(cls):
            yield cls


def _primitive(value: Any) -> Any:  # noqa: ANN401 - whatever a constructor takes
    if isinstance(value, list):
        return [_primitive(item) for item in value]
    return asdict(value) if is_dataclass(value) and not isinstance(value, type) else value
