"""The thumbnail of a model: what it makes of a few photos."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image

from sod.data.reading import read_image, to_tensor
from sod.data.synthetic import make_scene
from sod.engine.method import Method
from sod.prediction.listing import list_inputs
from sod.prediction.opacity import OpacityOptions
from sod.prediction.sheet import Pixels, row_of, sheet

CELL = (120, 160)
"""Height and width in pixels of each picture."""

COUNT, LARGEST = 3, 640
"""Number of photos, and the larger side in pixels at which they are shown to the model."""


def thumbnail_photos(source: str | None) -> list[Pixels]:
    """Return the first photos of a folder or file; without one, built-in scenes.

    Raises:
        SodError: There is no such photo, or it cannot be read.
    """
    if source is None:
        return [make_scene(number, (192, 256))[0] for number in (11, 23)]
    files = [sample.image for sample in list_inputs(source).images[:COUNT]]
    return [_small(read_image(Path(file))) for file in files]


def make_thumbnail(method: Method, photos: list[Pixels]) -> Image.Image:
    """Return photos, maps, overlays and cut-outs, one row per photo."""
    rows = []
    for pixels in photos:
        with torch.inference_mode():
            saliency = method.saliency(to_tensor(pixels)[None].to(method.device))[0, 0]
        values = np.asarray(saliency.float().clamp(0, 1).cpu().numpy(), np.float32)
        rows.append(row_of(pixels, values, OpacityOptions(sharpen=0.8)))
    return sheet(rows, CELL)


def _small(pixels: Pixels) -> Pixels:
    image = Image.fromarray(pixels)
    image.thumbnail((LARGEST, LARGEST))
    return np.asarray(image, np.uint8)
