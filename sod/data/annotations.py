"""Readers of bounding-box annotations: VOC XML, COCO JSON and CSV box files."""

import csv
import json
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterable
from pathlib import Path

import torch
from torch import Tensor

from sod.core.errors import SodError
from sod.core.reading import read_text

Boxes = dict[str, Tensor]
_CORNERS = ("xmin", "ymin", "xmax", "ymax")
_CORNER_SHIFT = (1, 1, 0, 0)  # VOC counts pixels from 1 and includes the last one


def read_voc(root: Path, split: str = "trainval") -> Boxes:
    """Read the boxes of a VOC data set, including difficult and truncated objects.

    Args:
        root: The folder with ``Annotations/`` and ``ImageSets/Main/`` (``VOCdevkit/VOC2007``).
        split: Name of the image set.

    Returns:
        Boxes (x0, y0, x1, y1), float64 ``[N, 4]``, by image name. 1 is subtracted from xmin and
        ymin, as in LOST and its successors: a box over the whole image is (0, 0, W, H).

    Raises:
        SodError: A file is missing or malformed.
    """
    image_set = root / "ImageSets" / "Main" / f"{split}.txt"
    if not image_set.is_file():
        raise SodError(f"{image_set}: no such image set; is {root} a VOC folder such as VOC2007?")
    names = [line.split()[0] for line in _text(image_set).splitlines() if line.strip()]
    return {name: read_voc_file(root / "Annotations" / f"{name}.xml") for name in names}


def read_voc_file(path: Path) -> Tensor:
    """Read the boxes of one VOC annotation file, without the parts (heads, hands) of objects.

    Returns:
        Boxes (x0, y0, x1, y1), float64 ``[N, 4]``, as :func:`read_voc`.

    Raises:
        SodError: The file is missing or malformed.
    """
    boxes = []
    for element in _parse(path).findall("object"):
        corners = [element.findtext(f"bndbox/{corner}") for corner in _CORNERS]
        try:
            values = [int(float(corner or "")) for corner in corners]
        except ValueError:
            raise SodError(f"{path}: an object has no bndbox of four numbers; fix it") from None
        boxes.append([value - shift for value, shift in zip(values, _CORNER_SHIFT, strict=True)])
    return _tensor(boxes)


def read_coco(path: Path, images: Iterable[str] | None = None) -> Boxes:
    """Read the boxes of a COCO annotation file, without crowds, corners rounded to integers.

    Args:
        path: The annotation file, for instance ``instances_train2014.json``.
        images: File names to keep, for instance the lines of LOST's ``coco_20k_filenames.txt``.
            Folders and suffixes are ignored. None keeps all images.

    Returns:
        Boxes (x0, y0, x1, y1), float64 ``[N, 4]``, by image name without suffix, in the order of
        ``images`` or else of the file; an image without objects has ``[0, 4]``.

    Raises:
        SodError: The file is missing or malformed, or lacks one of ``images``.
    """
    try:
        content = json.loads(_text(path))
        names = {int(image["id"]): Path(image["file_name"]).stem for image in content["images"]}
        boxes: dict[str, list[list[int]]] = {name: [] for name in names.values()}
        for annotation in content["annotations"]:
            if not annotation.get("iscrowd", 0):
                x, y, width, height = annotation["bbox"]
                corners = (x, y, x + width, y + height)
                name = names[int(annotation["image_id"])]
                boxes[name].append([round(value) for value in corners])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise SodError(f"{path}: not a COCO annotation file ({error!r}); check the path") from None
    kept = boxes if images is None else _select(boxes, images, path)
    return {name: _tensor(corners) for name, corners in kept.items()}


def read_boxes(path: Path) -> Boxes:
    """Read a CSV file with the columns image, x0, y0, x1, y1 and one box per line.

    Returns:
        Boxes (x0, y0, x1, y1), float64 ``[N, 4]``, by image name without suffix.

    Raises:
        SodError: The file is missing, or a line lacks a number.
    """
    boxes: dict[str, list[list[float]]] = {}
    for number, line in enumerate(csv.DictReader(_text(path).splitlines()), start=2):
        try:
            corners = [float(line[name]) for name in ("x0", "y0", "x1", "y1")]
            boxes.setdefault(Path(line["image"]).stem, []).append(corners)
        except (KeyError, TypeError, ValueError):
            raise SodError(
                f"{path}, line {number}: expected the columns image,x0,y0,x1,y1 with numbers"
            ) from None
    return {name: _tensor(corners) for name, corners in boxes.items()}


def read_names(path: Path) -> list[str]:
    """Read a text file with one image name per line, such as the list of COCO20k."""
    return [line.strip() for line in _text(path).splitlines() if line.strip()]


def _select(
    boxes: dict[str, list[list[int]]], images: Iterable[str], path: Path
) -> dict[str, list[list[int]]]:
    requested = [Path(name).stem for name in images]
    missing = [name for name in requested if name not in boxes]
    if missing:
        raise SodError(
            f"{path}: {len(missing)} of the {len(requested)} images requested are not in this file "
            f"(first: {missing[0]}); is it the right split?"
        )
    return {name: boxes[name] for name in requested}


def _parse(path: Path) -> ElementTree.Element:
    """Parse an annotation file; safe, as expat loads no external entity and limits nested ones."""
    try:
        return ElementTree.fromstring(_text(path))  # noqa: S314
    except ElementTree.ParseError as error:
        raise SodError(f"{path}: not well-formed XML ({error}); fetch the file again") from None


def _text(path: Path) -> str:
    return read_text(path)


def _tensor(corners: list[list[int]] | list[list[float]]) -> Tensor:
    return torch.tensor(corners, dtype=torch.float64).reshape(-1, 4)
