"""Instance predictions: the protocol of methods that make them, and the files they go to."""

import json
from colorsys import hsv_to_rgb
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import pytorch_lightning as pl
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from sod.core.errors import SodError
from sod.core.files import write_text
from sod.data.dataset import AnyBatch
from sod.data.pictures import write_picture
from sod.nn.connectivity.instances import Instances, resize_instances
from sod.prediction.callback import PredictionCallback
from sod.prediction.full_size import full_pixels

Pixels = NDArray[np.uint8]


@runtime_checkable
class PredictsInstances(Protocol):
    """A method that separates the objects of an image into instances."""

    def instances(self, images: Tensor) -> list[Instances]:
        """Return the instances of each of the images ``[B, 3, H, W]``, at their size."""


class InstanceWriter(PredictionCallback):
    """Writes the instances of each image: ``NAME.png`` holds the labels, ``NAME.json`` the boxes.

    Args:
        out: Output folder. Labels and boxes go to its sub-folder ``instances``, a picture in which
            each object has a colour to ``instances_colour``.
        max_side: Pixels of the longer side of the results at most; None: those of the image.
    """

    def __init__(self, out: Path, max_side: int | None = None) -> None:
        super().__init__()
        self.max_side = max_side
        self.folder, self.pictures = out / "instances", out / "instances_colour"

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
            pixels = full_pixels(sample, image, self.max_side)
            if pixels.shape[:2] != tuple(objects.labels.shape):
                objects = resize_instances(objects, (pixels.shape[0], pixels.shape[1]))
            picture = coloured(pixels, objects.labels.numpy())
            write_picture(self.pictures / f"{sample.name}.png", Image.fromarray(picture))
            write_instances(self.folder / sample.name, objects)


def coloured(pixels: Pixels, labels: NDArray[np.int64]) -> Pixels:
    """Tint each object of an image in a colour of its own, and dim the background.

    Args:
        pixels: RGB, ``[H, W, 3]``.
        labels: ``[H, W]``; 0 is the background.
    """
    colours = np.array([_colour(label) for label in range(int(labels.max()) + 1)], np.uint8)
    grey = pixels // 2
    tinted = grey + colours[labels] // 2
    return np.where((labels > 0)[..., None], tinted, grey).astype(np.uint8)


def _colour(label: int) -> list[int]:
    """Return a bright colour; the hues of neighbouring labels are a golden section apart."""
    red, green, blue = hsv_to_rgb(label * 0.618034 % 1, 0.85, 1.0)
    return [round(255 * red), round(255 * green), round(255 * blue)]


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
