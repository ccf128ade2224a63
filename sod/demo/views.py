"""What the page shows of a photo: map, overlay, cut-out and objects."""

from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sod.api.model import Model
from sod.core.devices import describe_device
from sod.data.working_size import working_size
from sod.prediction.cutouts import CutoutOptions, cut_out
from sod.prediction.instances import PredictsInstances, coloured
from sod.prediction.look import Look, render
from sod.prediction.opacity import Keep, OpacityOptions, object_mask
from sod.refinement.kinds import Refinement

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Wishes:
    """What is chosen on the page; the names are those of `sod predict`.

    Args:
        refine: Refinement of the map.
        threshold: The object is what is above it.
        sharpen: Contrast of the opacity, 0 (as the map) to 1 (binary).
        keep: All objects, or only the largest one.
    """

    refine: Refinement = "none"
    threshold: float = 0.5
    sharpen: float = 0.8
    keep: Keep = "all"


class Views(NamedTuple):
    """The pictures of one photo, and a line about them.

    Args:
        saliency: The map, grey.
        overlay: The object tinted.
        cutout: The object with transparency.
        instances: The single objects in colours.
        note: Method, device, size, number of objects.
    """

    saliency: Image.Image
    overlay: Image.Image
    cutout: Image.Image
    instances: Image.Image
    note: str


def views_of(model: Model, photo: Pixels, wishes: Wishes) -> Views:
    """Look at a photo.

    Args:
        model: The model.
        photo: RGB, ``[H, W, 3]``; very large ones are shrunk first.
        wishes: What is chosen on the page.

    Raises:
        SodError: A choice is invalid.
    """
    pixels = _bounded(photo)
    saliency = Model(model.method, model.device, wishes.refine)(pixels)
    look = OpacityOptions(wishes.threshold, wishes.keep, wishes.sharpen)
    labels = _labels(model, pixels, object_mask(saliency, look))
    height, width = saliency.shape
    name, device = type(model.method).__name__, describe_device(model.device)
    count = int(labels.max())
    return Views(
        render(pixels, saliency, "map"),
        render(pixels, saliency, "overlay", Look(look)),
        cut_out(pixels, saliency, look, CutoutOptions(despill=True)),
        Image.fromarray(coloured(pixels, labels)),
        f"{name} on {device}, {width}×{height} pixels, objects: {count}",
    )


def _labels(model: Model, pixels: Pixels, mask: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return the number of the object at each pixel: of the network, or of the mask's parts."""
    head = getattr(getattr(model.method, "network", None), "head", None)
    if isinstance(model.method, PredictsInstances) and type(head).__name__ == "ConnectivityHead":
        return np.asarray(model.instances(pixels).labels.cpu().numpy(), np.int64)
    _, labels = cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)
    return np.asarray(labels, np.int64)


def _bounded(photo: Pixels) -> Pixels:
    """Return the photo at the size at which `sod predict` would look at it."""
    height, width = working_size(photo.shape[0], photo.shape[1])
    if (height, width) == photo.shape[:2]:
        return photo
    return np.asarray(cv2.resize(photo, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
