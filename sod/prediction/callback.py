"""The base class of callbacks that process predictions."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback
from torch import Tensor

from sod.core.distributed import gather
from sod.core.errors import ImageError
from sod.core.memory import NO_MEMORY, attempt
from sod.data.dataset import AnyBatch
from sod.data.maps import check_map
from sod.data.samples import Sample
from sod.engine.background import TrainerBackground
from sod.engine.later import now
from sod.engine.together import separate
from sod.refinement.calibration import NONE, Calibrations, finished
from sod.refinement.kinds import Refinement

Maps = Tensor | Sequence[Tensor]
_NOTHING = object()


def refined_maps(
    batch: AnyBatch, maps: Maps, refinement: Refinement, calibrations: Calibrations = NONE
) -> Iterator[tuple[Sample, Tensor, Tensor]]:
    """Yield each sample of a batch with its image and its refined map.

    Args:
        batch: Images of one size, or a group.
        maps: Per image ``[1, H, W]`` in [0, 1].
        refinement: Refinement of the maps.
        calibrations: How maps are changed after each refinement.

    Yields:
        The sample, its image ``[3, H, W]`` and its map ``[H, W]``.
    """
    for sample, image, map_ in zip(batch["samples"], batch["images"], maps, strict=True):
        check_map(map_, sample.image)
        yield sample, image, finished(image[None], map_[None], refinement, calibrations)[0, 0]


class PredictionCallback(Callback, ABC):
    """Processes each predicted image, and collects those that gave no result.

    Args:
        threads: Threads for :meth:`process`; None: as many as suit the CPUs. 0 for a callback that
            uses the method, or whose batches depend on each other.

    Attributes:
        failures: One line per image that could not be read or did not fit into memory; of all
            processes after the loop.
    """

    def __init__(self, threads: int | None = 0) -> None:
        self.failures: list[str] = []
        self._background = TrainerBackground(threads)

    @abstractmethod
    def process(self, batch: AnyBatch, outputs: Any, method: pl.LightningModule) -> Any:  # noqa: ANN401
        """Process one image.

        Args:
            batch: A batch of one image.
            outputs: What the method's ``predict_step`` returned.
            method: The method.

        Returns:
            What :meth:`take` gets.
        """

    def take(self, processed: Any) -> None:  # noqa: ANN401 - what ``process`` returned
        """Use what :meth:`process` returned, in the order of the batches and in one thread."""

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Choose the number of threads."""
        self._background.begin(trainer, self, "on_predict_batch_end")

    def on_predict_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,  # noqa: ANN401 - Lightning's own signature
        batch: AnyBatch,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Collect images that are unreadable or too large, and process the others."""
        for part, own in separate(batch, outputs):
            self._background.submit(
                partial(self._processed, part, own, pl_module),
                self._take,
                sum(image[0].numel() for image in part["images"]),
            )

    def on_predict_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Gather the failures of all processes."""
        self._background.finish()
        self._background.stop()
        self.failures = gather(self.failures)

    def on_exception(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException
    ) -> None:
        """Drop what has not begun, so that the process ends."""
        self._background.stop()

    def _processed(
        self,
        batch: AnyBatch,
        outputs: Any,  # noqa: ANN401
        method: pl.LightningModule,
    ) -> tuple[list[str], Any]:
        """Return the failures of a batch, and what :meth:`process` returned."""
        failures = list(batch["errors"])
        if not batch["samples"]:
            return failures, _NOTHING
        done = outputs
        try:
            if done is not NO_MEMORY:
                done = attempt(lambda: self.process(batch, now(outputs), method))
        except ImageError as error:
            return [*failures, str(error)], _NOTHING
        if done is not NO_MEMORY:
            return failures, done
        failures += [
            f"{sample.image}: not enough memory for {image.shape[-1]}x{image.shape[-2]} pixels"
            for sample, image in zip(batch["samples"], batch["images"], strict=True)
        ]
        return failures, _NOTHING

    def _take(self, processed: tuple[list[str], Any]) -> None:
        failures, result = processed
        self.failures += failures
        if result is not _NOTHING:
            self.take(result)
