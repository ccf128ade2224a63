"""The images of a run: written down when it begins, so that it goes on with the same ones.

The order of the images and their augmentation depend on how many there are. A run that finds more
of them when it goes on would not equal one that was never interrupted.
"""

import json
from pathlib import Path

from sod.core.errors import SodError
from sod.core.files import write_text
from sod.core.formats import read_stamped, stamp
from sod.data.datamodule import SaliencyData
from sod.data.splits import Images
from sod.data.strings import Strings

IMAGES = "images.json"
FORMAT = 1
REMEDY = "delete it, and the run goes on with the images that are there now"


def write_images(folder: Path, images: Images) -> None:
    """Write down the images of a run that begins.

    Raises:
        SodError: The file cannot be written.
    """
    content = stamp(FORMAT) | {"images": {name: list(files) for name, files in images.items()}}
    write_text(folder / IMAGES, json.dumps(content, indent=1) + "\n")


def read_images(folder: Path) -> dict[str, Strings] | None:
    """Return the images that a run began with; None where nothing was written down.

    Raises:
        SodError: The file is damaged, or of a later format.
    """
    path = folder / IMAGES
    content = read_stamped(path, FORMAT, REMEDY)
    if content is None:
        return None
    images = content.get("images")
    if not isinstance(images, dict) or not all(_is_list_of_files(f) for f in images.values()):
        raise SodError(f"{path}: is damaged: {REMEDY}.")
    try:
        return {name: Strings(files) for name, files in images.items()}
    except ValueError as error:  # no file has such a name
        raise SodError(f"{path}: is damaged: {REMEDY}.") from error


def files_of(data: SaliencyData) -> dict[str, Strings]:
    """Return the training images that are there now, by the name of their dataset as given.

    Raises:
        SodError: A dataset is missing.
    """
    return {split.given: split.files for split in data.train_splits()}


def changed(before: Images, now: Images) -> list[str]:
    """Return one line for each dataset with images that were added or are gone."""
    lines = []
    for name in before.keys() & now.keys():
        if before[name] == now[name]:
            continue
        known, there = set(before[name]), set(now[name])
        added = [file for file in now[name] if file not in known]
        gone = [file for file in before[name] if file not in there]
        if added:
            lines.append(
                f"{name}: {_some(added)} came after the run began: not trained on, a new run would"
            )
        if gone:
            verb = "is" if len(gone) == 1 else "are"
            lines.append(f"{name}: {_some(gone)} {verb} gone since the run began")
    return lines


def _is_list_of_files(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(f, str) and _is_below(f) for f in value)


def _is_below(file: str) -> bool:
    """Return whether a file lies below the folder that it is relative to."""
    if ".." not in file and file[:1] not in {"/", "\\"} and ":" not in file:
        return True  # most do, and paths are slow for very many
    return not Path(file).is_absolute() and ".." not in Path(file).parts


def _some(files: list[str]) -> str:
    more = f" and {len(files) - 3} more" if len(files) > 3 else ""
    images = "1 image" if len(files) == 1 else f"{len(files)} images"
    return f"{images} ({', '.join(files[:3])}{more})"
