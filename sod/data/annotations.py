"""Readers of annotated boxes: VOC's XML, COCO's JSON, a plain box file, a folder of masks."""

import csv
import json
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterable
from pathlib import Path

import torch
from torch import Tensor

from sod.core.errors import SodError

Boxes = dict[str, Tensor]
_CORNERS = ("xmin", "ymin", "xmax", "ymax")
_SHARED_PIXEL = (1, 1, 0, 0)  # VOC counts pixels from 1 and includes the last


def read_voc(root: Path, split: str = "trainval") -> Boxes:
    """Read the boxes of a VOC data set, difficult and truncated objects included.

    Args:
        root: the folder with ``Annotations/`` and ``ImageSets/Main/`` (``VOCdevkit/VOC2007``).
        split: name of the image set.

    Returns:
        Float64 boxes ``[N, 4]`` by image name. xmin and ymin are moved by -1, as LOST and its
        successors do: a box over the whole image is (0, 0, W, H).

    Raises:
        SodError: if a file is absent or cannot be understood.
    """
    listing = root / "ImageSets" / "Main" / f"{split}.txt"
    if not listing.is_file():
        raise SodError(f"{listing}: no such image set; is {root} a VOC folder such as VOC2007?")
    names = [line.split()[0] for line in listing.read_text().splitlines() if line.strip()]
    return {name: read_voc_file(root / "Annotations" / f"{name}.xml") for name in names}


def read_voc_file(path: Path) -> Tensor:
    """Read one VOC annotation: boxes float64 ``[N, 4]``, parts of objects left out.

    Raises:
        SodError: if the file is absent or cannot be understood.
    """
    boxes = []
    for thing in _parse(path).findall("object"):
        corners = [thing.findtext(f"bndbox/{corner}") for corner in _CORNERS]
        try:
            values = [int(float(corner or "")) for corner in corners]
        except ValueError:
            raise SodError(f"{path}: an object has no bndbox of four numbers; mend it") from None
        boxes.append([value - shift for value, shift in zip(values, _SHARED_PIXEL, strict=True)])
    return _tensor(boxes)


def read_coco(path: Path, images: Iterable[str] | None = None) -> Boxes:
    """Read the boxes of a COCO annotation file, crowds left out, corners rounded to integers.

    Args:
        path: for instance ``instances_train2014.json``.
        images: file names to keep, for instance the lines of LOST's ``coco_20k_filenames.txt``;
            all if ``None``. Folders and endings are ignored.

    Returns:
        Float64 boxes ``[N, 4]`` by image name (without ending), in the file's order of images; an
        image without objects has ``[0, 4]``.

    Raises:
        SodError: if the file is absent, cannot be understood, or lacks an image asked for.
    """
    try:
        content = json.loads(_text(path))
        names = {int(image["id"]): Path(image["file_name"]).stem for image in content["images"]}
        boxes: dict[str, list[list[int]]] = {name: [] for name in names.values()}
        for thing in content["annotations"]:
            if not thing.get("iscrowd", 0):
                x, y, width, height = thing["bbox"]
                corners = (x, y, x + width, y + height)
                boxes[names[int(thing["image_id"])]].append([round(value) for value in corners])
    except (ValueError, KeyError, TypeError) as error:
        raise SodError(f"{path}: not a COCO annotation file ({error!r}); check the path") from None
    kept = boxes if images is None else _select(boxes, images, path)
    return {name: _tensor(corners) for name, corners in kept.items()}


def read_boxes(path: Path) -> Boxes:
    """Read a box file: CSV with the columns image, x0, y0, x1, y1, one box a line.

    Raises:
        SodError: if the file is absent or a line lacks a number.
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
    """Read a list of file names, one a line, such as the list of COCO20k."""
    return [line.strip() for line in _text(path).splitlines() if line.strip()]


def _select(
    boxes: dict[str, list[list[int]]], images: Iterable[str], path: Path
) -> dict[str, list[list[int]]]:
    wanted = [Path(name).stem for name in images]
    absent = [name for name in wanted if name not in boxes]
    if absent:
        raise SodError(
            f"{path}: {len(absent)} of the {len(wanted)} images asked for are not in this file "
            f"(first: {absent[0]}); is it the right split?"
        )
    return {name: boxes[name] for name in wanted}


def _parse(path: Path) -> ElementTree.Element:
    """Parse a data set's own XML; expat expands no external entity and bounds nested ones."""
    try:
        return ElementTree.fromstring(_text(path))  # noqa: S314
    except ElementTree.ParseError as error:
        raise SodError(f"{path}: not well-formed XML ({error}); fetch the file again") from None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise SodError(f"{path}: cannot be read ({reason}); check the path") from None


def _tensor(corners: list[list[int]] | list[list[float]]) -> Tensor:
    return torch.tensor(corners, dtype=torch.float64).reshape(-1, 4)
