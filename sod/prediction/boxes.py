"""Objects of a mask as boxes and outlines, in plain JSON and in the form of COCO."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from sod.core.errors import SodError
from sod.core.files import write_text
from sod.data.samples import Sample
from sod.prediction.opacity import Map, Mask

Row = dict[str, Any]
SMALLEST = 4
"""Objects of fewer pixels are left out."""


def find_objects(saliency: Map, mask: Mask) -> list[Row]:
    """Return the 4-connected objects of a mask, the largest first.

    Args:
        saliency: ``[H, W]`` in [0, 1].
        mask: ``[H, W]``, the foreground.

    Returns:
        Per object ``box`` (left, top, right, bottom in pixels, right and bottom excluded),
        ``area`` in pixels, ``score`` (mean saliency), and ``outline``: polygons ``[x, y, ...]``
        around its parts, holes filled.
    """
    labels, statistics = _components(mask)
    sizes = statistics[1:, cv2.CC_STAT_AREA]
    order = [int(i) + 1 for i in np.argsort(-sizes, kind="stable") if sizes[i] >= SMALLEST]
    return [_object(saliency, labels, statistics[label], label) for label in order]


def enlarged(objects: Sequence[Row], small: tuple[int, int], size: tuple[int, int]) -> list[Row]:
    """Return the objects of a map for its image at another size.

    Args:
        objects: What :func:`find_objects` returned.
        small: Height and width of the map.
        size: Height and width of the image.
    """
    rows, columns = size[0] / small[0], size[1] / small[1]
    return [
        {
            "box": [round(x * f) for x, f in zip(row["box"], (columns, rows) * 2, strict=True)],
            "area": round(row["area"] * rows * columns),
            "score": row["score"],
            "outline": [_enlarged(line, columns, rows) for line in row["outline"]],
        }
        for row in objects
    ]


def _enlarged(outline: Sequence[int], columns: float, rows: float) -> list[int]:
    """Return the centres of the pixels ``[x, y, ...]`` of an outline at another size."""
    factors = (columns, rows)
    return [round((value + 0.5) * factors[n % 2] - 0.5) for n, value in enumerate(outline)]


def write_boxes(path: Path, size: tuple[int, int], objects: Sequence[Row]) -> None:
    """Write the boxes of one image as ``{"height", "width", "objects": [...]}``.

    Raises:
        SodError: The file cannot be written.
    """
    rows = [{key: value for key, value in row.items() if key != "outline"} for row in objects]
    content = {"height": size[0], "width": size[1], "objects": rows}
    write_text(path, json.dumps(content) + "\n")


def write_part(path: Path, size: tuple[int, int], objects: Sequence[Row]) -> None:
    """Write what :func:`join_parts` needs of one image.

    Raises:
        SodError: The file cannot be written.
    """
    rows = [
        {
            "category_id": 1,
            "bbox": [left, top, right - left, bottom - top],
            "area": row["area"],
            "score": row["score"],
            "segmentation": row["outline"],
            "iscrowd": 0,
        }
        for row in objects
        for left, top, right, bottom in [row["box"]]
    ]
    write_text(path, json.dumps({"height": size[0], "width": size[1], "annotations": rows}))


def join_parts(folder: Path, samples: Sequence[Sample], target: Path) -> int:
    """Join the parts of all images into one file in the form of COCO, and return their number.

    Args:
        folder: The folder of the parts, ``FOLDER/NAME.json``.
        samples: The images; those without a part are left out.
        target: The file.

    Raises:
        SodError: A part is damaged, or the file cannot be written.
    """
    images: list[Row] = []
    annotations: list[Row] = []
    for sample in samples:
        part = folder / f"{sample.name}.json"
        if not part.is_file():
            continue
        try:
            content = json.loads(part.read_text(encoding="utf-8"))
            size = {"height": content["height"], "width": content["width"]}
            images.append({"id": len(images) + 1, "file_name": str(sample.image), **size})
            for row in content["annotations"]:
                number = len(annotations) + 1
                annotations.append({"id": number, "image_id": len(images), **row})
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise SodError(f"{part}: is damaged: remove it and predict again.") from error
    categories = [{"id": 1, "name": "object"}]
    content = {"images": images, "annotations": annotations, "categories": categories}
    write_text(target, json.dumps(content) + "\n")
    return len(images)


def _components(mask: Mask) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    _, labels, statistics, _ = cv2.connectedComponentsWithStats(
        mask.astype(np.uint8), connectivity=4
    )
    return np.asarray(labels, np.int32), np.asarray(statistics, np.int32)


def _object(
    saliency: Map, labels: NDArray[np.int32], statistics: NDArray[np.int32], label: int
) -> Row:
    left, top, width, height, area = (int(value) for value in statistics)
    inside = labels[top : top + height, left : left + width] == label
    values = saliency[top : top + height, left : left + width][inside]
    contours, _ = cv2.findContours(
        inside.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE, offset=(left, top)
    )
    return {
        "box": [left, top, left + width, top + height],
        "area": area,
        "score": round(float(values.mean()), 4),
        "outline": [part.ravel().tolist() for part in contours if len(part) > 2],
    }
