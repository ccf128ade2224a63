"""Maps, masks, overlays, cut-outs and boxes of predicted images, written batch by batch."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from torch import Tensor

from sod.core.distributed import gather
from sod.data.dataset import AnyBatch
from sod.data.pictures import write_picture
from sod.data.samples import Sample
from sod.engine.method import calibrations_of
from sod.prediction.boxes import Row, find_objects, write_boxes, write_part
from sod.prediction.callback import PredictionCallback, refined_maps
from sod.prediction.full_size import full_map, full_pixels, result_size
from sod.prediction.large import LargePhoto, is_large
from sod.prediction.large_files import LargeResults
from sod.prediction.look import LOOK, Look, render
from sod.prediction.opacity import object_mask
from sod.prediction.outputs import Output, output_file
from sod.refinement.kinds import Refinement


class PredictionWriter(PredictionCallback):
    """Writes ``OUT/KIND/NAME.png`` or ``.json`` for each image and output, batch by batch.

    Args:
        out: Output folder, with one sub-folder per kind.
        outputs: Kinds of output; ``instances`` and ``answers`` are ignored here: they have writers
            of their own.
        refinement: Refinement of the saliency before it is written.
        look: How maps become pictures.
        threads: Threads that refine and write while the next image is predicted; None: as many as
            suit the CPUs.
        max_side: Pixels of the longer side of the results at most; None: those of the image.

    Attributes:
        written: Number of images written.
    """

    def __init__(
        self,
        out: Path,
        outputs: Sequence[Output],
        refinement: Refinement,
        look: Look = LOOK,
        threads: int | None = None,
        max_side: int | None = None,
    ) -> None:
        super().__init__(threads)
        self.out = out
        self.outputs = [kind for kind in outputs if kind not in {"instances", "answers"}]
        self.refinement: Refinement = refinement
        self.look = look
        self.max_side = max_side
        self.written = 0

    def process(self, batch: AnyBatch, outputs: Any, method: pl.LightningModule) -> int:  # noqa: ANN401
        """Write the outputs of one batch, and return the number of images.

        Raises:
            SodError: A file cannot be written.
        """
        own = calibrations_of(method)
        for sample, image, map_ in refined_maps(batch, outputs["saliency"], self.refinement, own):
            self._write(sample, image, map_)
        return len(batch["samples"])

    def take(self, processed: int) -> None:
        """Count the images."""
        self.written += processed

    def on_predict_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Gather failures and counts of all processes."""
        super().on_predict_epoch_end(trainer, pl_module)
        self.written = sum(gather([self.written]))

    def _write(self, sample: Sample, image: Tensor, saliency: Tensor) -> None:
        """Write the files of one image."""
        size = result_size(sample, image, self.max_side)
        if is_large(size):
            self._write_large(sample, saliency, size)
            return
        pixels = full_pixels(sample, image, self.max_side)
        size = (pixels.shape[0], pixels.shape[1])
        values = full_map(saliency, size)
        for kind in self.outputs:
            if kind in {"boxes", "coco"}:
                mask = object_mask(values, self.look.opacity)
                self._write_objects(sample, kind, size, find_objects(values, mask))
            else:
                path = output_file(self.out, kind, sample.name)
                write_picture(path, render(pixels, values, kind, self.look))

    def _write_large(self, sample: Sample, saliency: Tensor, size: tuple[int, int]) -> None:
        """Write the files of a photo that is larger than what is predicted at once."""
        photo = partial(LargePhoto, sample.image, size, self.max_side)
        results = LargeResults(photo, saliency, size, self.look)
        for kind in self.outputs:
            if kind in {"boxes", "coco"}:
                self._write_objects(sample, kind, size, results.objects())
            else:
                results.write(output_file(self.out, kind, sample.name), kind)

    def _write_objects(
        self, sample: Sample, kind: Output, size: tuple[int, int], objects: Sequence[Row]
    ) -> None:
        write = write_boxes if kind == "boxes" else write_part
        write(output_file(self.out, kind, sample.name), size, objects)
