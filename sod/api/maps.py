"""Maps that exist already: measured against masks, or refined along the edges of their images."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from sod.api.images import ImageLike, image_tensor
from sod.core.errors import SodError
from sod.data.maps import read_map
from sod.data.reading import read_mask
from sod.data.samples import index_by_name
from sod.metrics.catalogue import select_measures
from sod.metrics.collection import SaliencyMetrics
from sod.metrics.prepare import resize_saliency
from sod.metrics.protocols import get_protocol
from sod.refinement import kinds

MapLike: TypeAlias = str | os.PathLike[str] | Image.Image | NDArray[np.generic] | Tensor
"""A map or mask ``[H, W]``: floats in [0, 1], integers in 0..255, bools, or a file of these."""

Folder: TypeAlias = str | os.PathLike[str]
"""The path of a folder."""


def evaluate(
    maps: Folder | Sequence[MapLike],
    masks: Folder | Sequence[MapLike],
    protocol: str = "mean-max",
    measures: str = "default",
) -> dict[str, float]:
    """Measure maps against masks.

    Args:
        maps: Maps in any size, or the folder that holds them.
        masks: The mask of each map in the same order, or the folder; files are paired by name.
        protocol: The metric protocol, as in ``--protocol``.
        measures: Names or groups of measures, comma-separated, as in ``--measures``.

    Returns:
        The measures over all images by name: ``mae``, ``iou``, ``max_f``, ``s_measure``, ...

    Raises:
        SodError: A map has no mask or a mask no map, or a file or name is invalid.

    >>> import numpy as np, sod
    >>> mask = np.zeros((8, 8), bool)
    >>> mask[2:6, 2:6] = True
    >>> measures = sod.evaluate([mask * 0.9], [mask])
    >>> measures["iou"], round(measures["mae"], 3)
    (1.0, 0.025)
    """
    rules = get_protocol(protocol)
    metrics = SaliencyMetrics(rules, measures=select_measures(measures))
    pairs = list(_pairs(maps, masks))
    if not pairs:
        raise SodError("evaluate: there are no maps.")
    for map_, mask in pairs:
        truth, saliency = _mask(mask), map_tensor(map_)
        height, width = truth.shape
        metrics.update(resize_saliency(saliency, (height, width), rules), truth)
    return metrics.compute()


def refine(image: ImageLike, saliency: MapLike, kind: str = "bilateral") -> NDArray[np.float32]:
    """Refine a map along the edges of its image.

    Args:
        image: The image.
        saliency: Its map, at the same size.
        kind: The refinement, as in ``--refine``.

    Returns:
        Float32 ``[H, W]`` in [0, 1].

    Raises:
        SodError: The sizes differ, or an input or the refinement is invalid.

    >>> import numpy as np, sod
    >>> photo = np.zeros((32, 32, 3), np.uint8)
    >>> photo[8:24, 8:24] = 255
    >>> sod.refine(photo, np.eye(32)).shape
    (32, 32)
    """
    (chosen,) = kinds.parse_refinements(kind)
    guide, rough = image_tensor(image), map_tensor(saliency)
    if guide.shape[1:] != rough.shape:
        raise SodError(
            f"refine: the map is {list(rough.shape)}, its image {list(guide.shape[1:])}; "
            "give them at one size."
        )
    result = kinds.refine(guide[None], rough[None, None].to(guide.device), chosen)[0, 0]
    values: NDArray[np.float32] = result.float().cpu().numpy()
    return values


def map_tensor(saliency: MapLike) -> Tensor:
    """Return a map as float32 ``[H, W]`` in [0, 1].

    Raises:
        SodError: It is no map, or its values are out of range.
    """
    if isinstance(saliency, str | os.PathLike):
        return read_map(Path(saliency))
    values = _plane(saliency)
    if values.dtype == torch.bool or not values.is_floating_point():
        return values.float() / (1 if values.dtype == torch.bool else 255)
    if not (float(values.min()) >= 0 and float(values.max()) <= 1):
        raise SodError("map: its values are not in [0, 1].")
    return values.float()


def _mask(mask: MapLike) -> Tensor:
    """Return a mask as uint8 0..255, or bool, ``[H, W]``."""
    if isinstance(mask, str | os.PathLike):
        return torch.from_numpy(read_mask(Path(mask)))
    values = _plane(mask)
    if values.is_floating_point():
        return (values * 255).round().to(torch.uint8)
    return values if values.dtype == torch.bool else values.to(torch.uint8)


def _plane(values: Image.Image | NDArray[np.generic] | Tensor) -> Tensor:
    if isinstance(values, Image.Image):
        values = np.array(values.convert("L"))
    if not isinstance(values, Tensor):
        values = torch.from_numpy(np.ascontiguousarray(values))
    if values.ndim != 2 or not values.numel():
        raise SodError(f"map or mask: shape {list(values.shape)}; give [H, W].")
    return values.detach()


def _pairs(
    maps: Folder | Sequence[MapLike], masks: Folder | Sequence[MapLike]
) -> list[tuple[MapLike, MapLike]]:
    if isinstance(maps, str | os.PathLike):
        if isinstance(masks, str | os.PathLike):
            return _paired_files(Path(maps), Path(masks))
    elif not isinstance(masks, str | os.PathLike) and len(maps) == len(masks):
        return list(zip(maps, masks, strict=True))
    raise SodError("evaluate: give two folders, or as many masks as maps.")


def _paired_files(maps: Path, masks: Path) -> list[tuple[MapLike, MapLike]]:
    """Pair the files of two folders by name.

    Raises:
        SodError: A folder is absent, or one has a name that the other lacks.
    """
    left, right = (index_by_name(folder, recursive=True) for folder in (maps, masks))
    for mine, other, folder in ((left, right, masks), (right, left, maps)):
        missing = [name for name in mine if name not in other]
        if missing:
            raise SodError(f"{folder}: has no {missing[0]} ({len(missing)} are missing).")
    return [(left[name][0], right[name][0]) for name in left]
