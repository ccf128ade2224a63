"""Evaluation of several answers to each image."""

import csv
import json
from collections.abc import Sequence
from io import StringIO
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback
from rich.table import Table
from torch import Tensor

from sod.core.distributed import gather
from sod.core.errors import ImageError, SodError
from sod.core.files import write_text
from sod.data.dataset import AnyBatch
from sod.data.reading import read_mask
from sod.data.samples import Sample
from sod.engine.method import Method
from sod.metrics.answers import best_iou, set_measures
from sod.metrics.prepare import foreground
from sod.metrics.protocols import MaskRule
from sod.nn.resize import resize
from sod.prediction.answers import choose_answers

Row = dict[str, Any]


class AnswerEvaluation(Callback):
    """Measures the answers to each image of the test loop against its mask, or its several masks.

    Args:
        datasets: Names of the test sets, in the order of the data loaders.
        count: Largest number of answers to an image, K.
        rule: Which values of a mask are foreground: that of the protocol whose table stands beside.

    Attributes:
        rows: One row per image, of all processes after the loop: ``best_iou_k`` for the odd k up to
            K, ``answers`` (their number), and the measures of the whole set.
    """

    def __init__(self, datasets: Sequence[str], count: int, rule: MaskRule) -> None:
        if count < 1:
            raise SodError(f"--answers {count}: is not at least 1.")
        self.datasets = list(datasets)
        self.count, self.rule = count, rule
        self.counts = [*range(1, count, 2), count] if count % 2 == 0 else [*range(1, count + 1, 2)]
        self.rows: list[Row] = []

    def on_test_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,  # noqa: ANN401 - Lightning's own signature
        batch: AnyBatch,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Measure the answers to the images of one batch."""
        assert isinstance(pl_module, Method)  # noqa: S101 - narrows the type
        for sample, image, mask, saliency in zip(
            batch["samples"], batch["images"], batch["masks"], outputs["saliency"], strict=True
        ):
            if mask is None:
                raise SodError(f"{sample.image}: has no mask to be measured with.")
            answers = choose_answers(pl_module.proposals(image, saliency[0]), self.count)
            truth = _masks(sample, mask, self.rule).to(answers.maps.device)
            size = (truth.shape[-2], truth.shape[-1])
            masks = resize(answers.maps[None].float(), size)[0] > 0.5
            measures = {f"best_iou_{k}": v for k, v in best_iou(masks, truth, self.counts).items()}
            measures |= set_measures(masks, answers.scores, truth)
            row = {"dataset": self.datasets[dataloader_idx], "name": sample.name}
            self.rows.append({**row, "answers": len(masks), **measures})

    def on_test_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Gather the rows of all processes."""
        self.rows = sorted(gather(self.rows), key=lambda row: (row["dataset"], row["name"]))

    def means(self) -> list[Row]:
        """Return one row of means per dataset."""
        rows = []
        for dataset in dict.fromkeys(row["dataset"] for row in self.rows):
            own = [row for row in self.rows if row["dataset"] == dataset]
            names = [name for name in own[0] if name not in {"dataset", "name"}]
            means = {n: float(torch.tensor([r[n] for r in own]).double().mean()) for n in names}
            rows.append({"dataset": dataset, "images": len(own), **means})
        return rows

    def write(self, out: Path) -> list[Path]:
        """Write ``answers.json`` (means) and ``answers.csv`` (one row per image).

        Raises:
            SodError: A file cannot be written.
        """
        buffer = StringIO()
        writer = csv.DictWriter(buffer, list(self.rows[0]))
        writer.writeheader()
        writer.writerows(self.rows)
        write_text(out / "answers.json", json.dumps(self.means(), indent=2) + "\n")
        write_text(out / "answers.csv", buffer.getvalue())
        return [out / "answers.json", out / "answers.csv"]


def _masks(sample: Sample, first: Tensor, rule: MaskRule) -> Tensor:
    """Return all masks of a sample, bool ``[M, H, W]``, the given one first.

    Raises:
        ImageError: A further mask cannot be read, or differs in size.
    """
    masks = [first, *(torch.from_numpy(read_mask(path)).to(first) for path in sample.further)]
    for mask, path in zip(masks[1:], sample.further, strict=True):
        if mask.shape != first.shape:
            raise ImageError(f"{path}: differs in size from {sample.mask}.")
    return torch.stack([foreground(mask, rule) for mask in masks])


def answers_table(rows: Sequence[Row]) -> Table:
    """Return a terminal table of the means of :meth:`AnswerEvaluation.means`."""
    table = Table(*(name.replace("_", " ") for name in rows[0]), title="answers")
    for row in rows:
        table.add_row(*(f"{v:.3f}" if isinstance(v, float) else str(v) for v in row.values()))
    return table
