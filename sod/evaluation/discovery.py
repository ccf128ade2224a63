"""Single-object discovery: one predicted box per image, measured by CorLoc."""

from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor

from sod.core.distributed import gather
from sod.core.errors import SodError
from sod.data.annotations import read_boxes, read_coco, read_names, read_voc
from sod.data.dataset import AnyBatch
from sod.data.reading import read_mask
from sod.data.samples import Sample, discover_images
from sod.engine.method import calibrations_of
from sod.metrics.boxes import component_boxes
from sod.metrics.corloc import CorLoc, is_found, saliency_box
from sod.prediction.callback import PredictionCallback, refined_maps
from sod.prediction.full_size import own_size
from sod.refinement.kinds import Refinement

Boxes = dict[str, Tensor]


def read_annotations(path: str, split: str, listing: str | None) -> Boxes:
    """Read boxes by image name from a VOC folder, a COCO .json or a .csv (image,x0,y0,x1,y1).

    Args:
        path: Folder or file of the annotations.
        split: Image set of a VOC folder.
        listing: File with the image names to keep of a COCO file, or None to keep all.

    Raises:
        SodError: The path is absent, or its format is unknown.
    """
    file = Path(path)
    if file.is_dir():
        return read_voc(file, split)
    if file.suffix == ".json":
        return read_coco(file, read_names(Path(listing)) if listing else None)
    if file.suffix == ".csv":
        return read_boxes(file)
    raise SodError(f"--boxes {path}: expected a VOC folder, a COCO .json or a .csv of boxes.")


def boxes_of_masks(samples: list[Sample]) -> Boxes:
    """Return the boxes of the connected components of each mask, thresholded at 127 of 255."""
    return {
        sample.name: component_boxes(_foreground(sample.mask))
        for sample in samples
        if sample.mask is not None
    }


def _foreground(mask: Path) -> Tensor:
    return torch.from_numpy(read_mask(mask)) > 127


def annotated_samples(folder: Path, boxes: Boxes) -> list[Sample]:
    """Return the images of a folder that have annotations.

    Raises:
        SodError: The folder is absent, or an annotated image is not in it.
    """
    if not folder.is_dir():
        raise SodError(f"--images {folder}: there is no such folder.")
    images = {path.stem: path for path in discover_images(folder)}
    absent = [name for name in boxes if name not in images]
    if absent:
        raise SodError(
            f"--images {folder}: lacks {len(absent)} of the {len(boxes)} annotated images "
            f"(first: {absent[0]})."
        )
    return [Sample(name, images[name]) for name in boxes]


class Discovery(PredictionCallback):
    """Computes one box per saliency map, and CorLoc against the annotated boxes.

    Args:
        boxes: Annotated boxes by image name.
        refinement: Refinement of the saliency before the box is computed.

    Attributes:
        rows: One row per image: name, box (NaN if the map has none), ``found``, seconds.
        corloc: CorLoc in [0, 1], after the loop.
    """

    def __init__(self, boxes: Boxes, refinement: Refinement) -> None:
        super().__init__()
        self.boxes = boxes
        self.refinement: Refinement = refinement
        self.metric = CorLoc()
        self.rows: list[dict[str, Any]] = []
        self.corloc = float("nan")

    def on_predict_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Move the sums to the device, also of a process that gets no images."""
        self.metric.to(pl_module.device)

    def process(self, batch: AnyBatch, outputs: Any, method: pl.LightningModule) -> None:  # noqa: ANN401
        """Compute the boxes of one batch."""
        own = calibrations_of(method)
        for sample, image, map_ in refined_maps(batch, outputs["saliency"], self.refinement, own):
            box = saliency_box(own_size(sample, image, map_))
            self.metric.update(box, self.boxes[sample.name])
            corners = [float("nan")] * 4 if box is None else [float(edge) for edge in box]
            row = dict(zip(["x0", "y0", "x1", "y1"], corners, strict=True))
            found = is_found(box, self.boxes[sample.name])
            self.rows.append(
                {"image": sample.name, **row, "found": found, "seconds": outputs["seconds"]}
            )

    def on_predict_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Gather the results of all processes."""
        self.rows = sorted(gather(self.rows), key=lambda row: str(row["image"]))
        super().on_predict_epoch_end(trainer, pl_module)
        self.corloc = float(self.metric.compute())
