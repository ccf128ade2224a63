"""Lightning callback that evaluates the predictions of the test loop."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from torch import Tensor

from sod.core.errors import SodError
from sod.data.dataset import AnyBatch
from sod.data.samples import Sample
from sod.engine.background import TrainerBackground
from sod.engine.later import Later
from sod.engine.method import calibrations_of
from sod.engine.together import Prediction
from sod.evaluation.evaluator import Evaluator, MeasuredMap, Result
from sod.evaluation.plan import Plan
from sod.evaluation.saved_maps import save_maps
from sod.refinement.kinds import Refinement


class Evaluation(pl.Callback):
    """Computes the metrics of every test set during the test loop.

    Args:
        method: Name of the method in the results.
        datasets: Names of the test sets, in the order of the data loaders.
        plan: Protocol, refinements (one row per dataset each) and measures.
        maps: Folder to save the saliency maps in, or None to save none.
        threads: Threads that refine, measure and save while the next image is predicted; None: as
            many as suit the CPUs. The results do not depend on it.
        part: Saves the sums of a part of the test sets, instead of making results; or None.

    Attributes:
        results: One result per dataset, after the loop.
    """

    def __init__(
        self,
        method: str,
        datasets: Sequence[str],
        plan: Plan,
        maps: Path | None = None,
        threads: int | None = None,
        part: Callable[[Sequence[Evaluator]], None] | None = None,
    ) -> None:
        self.evaluators = [
            Evaluator(method, name, plan.protocol, plan.refinements, None, plan.measures)
            for name in datasets
        ]
        self.maps, self._part = maps, part
        self.background = TrainerBackground(threads)
        self.results: list[Result] = []

    def on_test_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Move the sums to the device, also of a process that gets no images; calibrate as told."""
        self.background.begin(trainer, self, "on_test_batch_end")
        for evaluator in self.evaluators:
            evaluator.calibrations = calibrations_of(pl_module)
            for metrics in evaluator.metrics.values():
                metrics.to(pl_module.device)

    def on_test_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Prediction | Later[Prediction] | Any,  # noqa: ANN401 - Lightning's own signature
        batch: AnyBatch,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Evaluate the images of one batch, and save their maps if a folder was given.

        Raises:
            SodError: An image has no mask, or a map cannot be written.
        """
        evaluator = self.evaluators[dataloader_idx]
        for sample, image, mask, predicted in zip(
            batch["samples"], batch["images"], batch["masks"], _by_image(outputs), strict=True
        ):
            if mask is None:
                raise SodError(f"{sample.image}: has no mask to be measured with.")
            arguments = (evaluator, sample, image, mask, predicted)
            self.background.submit(
                partial(self._measure, *arguments),
                partial(evaluator.add, sample, image, mask),
                mask.numel(),
            )

    def _measure(
        self,
        evaluator: Evaluator,
        sample: Sample,
        image: Tensor,
        mask: Tensor,
        predicted: Callable[[], tuple[Tensor, float]],
    ) -> dict[Refinement, MeasuredMap]:
        """Measure one image, and save its maps if a folder was given."""
        measured = evaluator.measure(sample, image, mask, *predicted())
        if self.maps is not None:
            save_maps(self.maps, evaluator, sample, {k: part.map for k, part in measured.items()})
        return measured

    def on_test_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Gather the results of all processes."""
        self.background.finish()
        self.background.stop()
        if self._part is not None:
            self._part(self.evaluators)
        else:
            self.results = [evaluator.result() for evaluator in self.evaluators]

    def on_exception(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException
    ) -> None:
        """Drop what has not begun, so that the process ends."""
        self.background.stop()


def _by_image(outputs: Prediction | Later[Prediction]) -> list[Callable[[], tuple[Tensor, float]]]:
    """Return per image what gives its map and the time it took, in any thread."""
    if isinstance(outputs, Later):
        return [lambda: _first(outputs.now())]
    return [partial(_same, (map_, outputs["seconds"])) for map_ in outputs["saliency"]]


def _first(prediction: Prediction) -> tuple[Tensor, float]:
    return prediction["saliency"][0], prediction["seconds"]


def _same(values: tuple[Tensor, float]) -> tuple[Tensor, float]:
    return values
