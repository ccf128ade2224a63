"""What prediction writes for others to use: pseudo-label stores and instances."""

import json
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import pytorch_lightning as pl
from PIL import Image
from torch import Tensor

from sod.core.distributed import gathered
from sod.core.errors import SodError
from sod.data.dataset import Batch
from sod.engine.method import Prediction
from sod.labels.store import LabelStore
from sod.nn.connectivity.instances import Instances
from sod.refine.refinement import Refinement, refine


@runtime_checkable
class OffersInstances(Protocol):
    """A method that tells the objects of an image apart."""

    def instances(self, images: Tensor) -> list[Instances]:
        """Return the instances of each of the images ``[B, 3, H, W]``, in their size."""


class PseudoWriter(pl.Callback):
    """Writes each map into a pseudo-label store.

    Args:
        store: Where to.
        refinement: What is done to the maps first.

    Attributes:
        written: How many maps were made, by all processes.
        failures: One line for each file that could not be read.
    """

    def __init__(self, store: LabelStore, refinement: Refinement) -> None:
        self.store = store
        self.refinement: Refinement = refinement
        self.written = 0
        self.failures: list[str] = []

    def on_predict_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Give each process a manifest of its own."""
        self.store.rank = trainer.global_rank

    def on_predict_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Prediction | Any,  # noqa: ANN401 - Lightning's own signature
        batch: Batch,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Write the maps of one batch."""
        self.failures += batch["errors"]
        if not batch["samples"]:
            return
        maps = refine(batch["images"], outputs["saliency"], self.refinement)
        for sample, saliency in zip(batch["samples"], maps, strict=True):
            self.store.write(sample, saliency[0])
            self.written += 1

    def on_predict_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Join what all processes have written."""
        self.failures = gathered(self.failures)
        self.written = sum(gathered([self.written]))
        if trainer.is_global_zero:
            self.store.join()


class InstanceWriter(pl.Callback):
    """Writes the instances of each image: ``NAME.png`` holds labels, ``NAME.json`` their boxes.

    Args:
        out: The folder; the files go to ``instances`` in it.
    """

    def __init__(self, out: Path) -> None:
        self.folder = out / "instances"

    def on_predict_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Refuse methods that cannot tell objects apart.

        Raises:
            SodError: The method is one of them.
        """
        if not isinstance(pl_module, OffersInstances):
            raise SodError(
                f"--output instances: {type(pl_module).__name__} does not tell objects apart; "
                "use a ConnNet checkpoint."
            )

    def on_predict_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Prediction | Any,  # noqa: ANN401 - Lightning's own signature
        batch: Batch,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Write the instances of one batch."""
        if not batch["samples"] or not isinstance(pl_module, OffersInstances):
            return
        found = pl_module.instances(batch["images"])
        for sample, each in zip(batch["samples"], found, strict=True):
            write_instances(self.folder / sample.name, each)


def write_instances(path: Path, found: Instances) -> None:
    """Write the instances of one image.

    Args:
        path: Of the files, without a suffix. ``.png``: label ``i`` is the i-th instance, 0 the
            background, in 8 bits, or in 16 where there are more than 255; ``.json``: a list of
            ``{"label", "box": [left, top, right, bottom], "area", "score"}`` in pixels, right and
            bottom excluded.
        found: What to write.

    Raises:
        SodError: A file cannot be written.
    """
    depth = np.uint8 if len(found.areas) < 256 else np.uint16
    rows = [
        {"label": label, "box": box, "area": area, "score": round(score, 4)}
        for label, (box, area, score) in enumerate(
            zip(found.boxes.tolist(), found.areas.tolist(), found.scores.tolist(), strict=True),
            start=1,
        )
    ]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(found.labels.numpy().astype(depth)).save(f"{path}.png")
        Path(f"{path}.json").write_text(json.dumps(rows) + "\n", encoding="utf-8")
    except OSError as error:
        raise SodError(f"--out {path}: cannot be written: {error.strerror}.") from error
