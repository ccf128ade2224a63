"""Instance predictions: the protocol of methods that make them, and the files they go to."""

import json
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import pytorch_lightning as pl
from PIL import Image
from torch import Tensor

from sod.core.errors import SodError
from sod.core.files import write_text
from sod.data.dataset import AnyBatch
from sod.data.pictures import write_picture
from sod.nn.connectivity.instances import Instances, resize_instances
from sod.prediction.callback import PredictionCallback
from sod.prediction.working_size import full_size


@runtime_checkable
class PredictsInstances(Protocol):
    """A method that separates the objects of an image into instances."""

    def instances(self, images: Tensor) -> list[Instances]:
        """Return the instances of each of the images ``[B, 3, H, W]``, at their size."""


class InstanceWriter(PredictionCallback):
    """Writes the instances of each image: ``NAME.png`` holds the labels, ``NAME.json`` the boxes.

    Args:
        out: Output folder; the files go to its sub-folder ``instances``.
    """

    def __init__(self, out: Path) -> None:
        super().__init__()
        self.folder = out / "instances"

    def on_predict_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Check that the method predicts instances.

        Raises:
            SodError: It does not.
        """
        if not isinstance(pl_module, PredictsInstances):
            raise SodError(
                f"--output instances: {type(pl_module).__name__} does not predict instances; "
                "use a ConnNet checkpoint."
            )

    def process(self, batch: AnyBatch, outputs: Any, method: pl.LightningModule) -> None:  # noqa: ANN401
        """Write the instances of one batch."""
        assert isinstance(method, PredictsInstances)  # noqa: S101 - checked at the start
        for sample, image in zip(batch["samples"], batch["images"], strict=True):
            objects = method.instances(image[None])[0]
            size = full_size(sample, image)
            if size != tuple(objects.labels.shape):
                objects = resize_instances(objects, size)
            write_instances(self.folder / sample.name, objects)


def write_instances(path: Path, instances: Instances) -> None:
    """Write the instances of one image as a label map and a list of boxes.

    Args:
        path: Path of both files without a suffix. ``.png``: label ``i`` is the i-th instance, 0
            the background, in 8 bits, or in 16 where there are more than 255 instances;
            ``.json``: a list of ``{"label", "box": [left, top, right, bottom], "area", "score"}``
            in pixels, right and bottom excluded.
        instances: Instances of the image.

    Raises:
        SodError: A file cannot be written.
    """
    depth = np.uint8 if len(instances.areas) < 256 else np.uint16
    values = (instances.boxes.tolist(), instances.areas.tolist(), instances.scores.tolist())
    rows = [
        {"label": label, "box": box, "area": area, "score": round(score, 4)}
        for label, (box, area, score) in enumerate(zip(*values, strict=True), start=1)
    ]
    write_picture(Path(f"{path}.png"), Image.fromarray(instances.labels.numpy().astype(depth)))
    write_text(Path(f"{path}.json"), json.dumps(rows) + "\n")
