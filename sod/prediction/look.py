"""How maps become pictures: the options, and the pictures of one image or of some of its rows."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sod.prediction.cutouts import CutoutOptions, cut_out
from sod.prediction.opacity import Map, OpacityOptions, object_mask, opacity
from sod.prediction.outputs import Output

Pixels = NDArray[np.uint8]
TINT = np.array([230.0, 60.0, 40.0])
"""Colour of the object in overlays, RGB in [0, 255]."""
ROWS = 512
"""Rows of an overlay that are mixed at once, to bound the memory of large images."""

OPACITY, CUTOUT = OpacityOptions(), CutoutOptions()


@dataclass(frozen=True)
class Look:
    """How maps become pictures.

    Args:
        opacity: Threshold, objects and sharpness.
        cutout: Edges, crop and background of cut-outs.
    """

    opacity: OpacityOptions = OPACITY
    cutout: CutoutOptions = CUTOUT


LOOK = Look()


def render(image: Pixels, saliency: Map, kind: Output, look: Look = LOOK) -> Image.Image:
    """Render the saliency of one image as a picture.

    Args:
        image: RGB, ``[H, W, 3]``.
        saliency: ``[H, W]`` in [0, 1].
        kind: ``map`` (8-bit grey), ``mask`` (0 or 255), ``overlay`` (the object tinted, the
            background dimmed) or ``cutout`` (RGBA, or RGB on a background).
        look: Threshold, sharpness, crop, background.
    """
    if kind == "map":
        return Image.fromarray(np.rint(saliency * 255).astype(np.uint8))
    if kind == "mask":
        return Image.fromarray(object_mask(saliency, look.opacity).astype(np.uint8) * 255)
    if kind == "cutout":
        return cut_out(image, saliency, look.opacity, look.cutout)
    return Image.fromarray(overlay(image, opacity(saliency, look.opacity)))


def overlay(image: Pixels, alpha: Map) -> Pixels:
    """Tint the object and dim the background.

    Args:
        image: RGB, ``[H, W, 3]``.
        alpha: Opacity of the object, ``[H, W]`` in [0, 1].
    """
    parts = (slice(row, row + ROWS) for row in range(0, len(image), ROWS))
    return np.concatenate([_mixed(image[part], alpha[part]) for part in parts])


def _mixed(image: Pixels, alpha: Map) -> Pixels:
    weight = alpha[..., None]
    grey = image.mean(axis=2, keepdims=True)
    mixed = weight * (0.65 * image + 0.35 * TINT) + (1 - weight) * (0.5 * image + 0.2 * grey)
    return np.asarray(np.clip(np.rint(mixed), 0, 255), np.uint8)
