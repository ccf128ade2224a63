"""Pairing of images with masks by name."""

from collections.abc import Container, Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from sod.core.errors import SodError
from sod.data.naming import repeated, unique_names, without_suffix
from sod.data.sample_list import SampleList
from sod.data.samples import Sample, discover_files


class Pairs(NamedTuple):
    """The result of pairing a folder of images with a folder of masks.

    Args:
        samples: One per image, in natural order; ``mask`` is None where no mask has its name.
        unmatched_masks: Mask files whose name belongs to no image.
    """

    samples: SampleList
    unmatched_masks: list[Path]


def pair(images: Path, masks: Path | None, recursive: bool = False) -> Pairs:
    """Pair the images of one folder with the masks of another by name.

    A folder of masks with the name of an image holds several masks of it, in natural order.

    Args:
        images: The folder of images.
        masks: The folder of masks, or None. Without masks, images that differ in their suffix only
            have it in their name.
        recursive: Also search the subfolders of both.

    Raises:
        SodError: A folder is missing, or two images share a name by which a mask is to be found,
            or two masks do.
    """
    if masks is None:
        found = discover_files(images, recursive)
        return Pairs(SampleList(unique_names(found), _below(images, found)), [])
    files, mask_files = _by_name(images, recursive), _by_name(masks, recursive)
    others = {name: [masks / file] for name, file in mask_files.items() if name not in files}
    masks_of = masks_by_image(files, others)
    firsts = [mask_files.get(name, "") for name in files]
    samples = SampleList(files, _below(images, files.values()), _below(masks, firsts))
    special = {
        row: _with_further(samples[row], masks_of[name])
        for row, name in enumerate(files if masks_of else ())
        if name in masks_of
    }
    unmatched = [path for name, paths in masks_of.items() if name not in files for path in paths]
    return Pairs(samples.replaced(special), unmatched)


def masks_by_image(
    images: Container[str], masks: Mapping[str, Sequence[Path]]
) -> dict[str, list[Path]]:
    """Return the masks of each image: those of its name, or in a folder of its name.

    Args:
        images: Names of the images.
        masks: Mask files by name.

    Returns:
        By the image's name; masks of no image by their own name.
    """
    found: dict[str, list[Path]] = {}
    for name, paths in masks.items():
        folder = name.rpartition("/")[0]
        owner = folder if name not in images and folder in images else name
        found.setdefault(owner, []).extend(paths)
    return found


def _with_further(sample: Sample, others: Sequence[Path]) -> Sample:
    """Return a sample with further masks, after the one of its own name."""
    if sample.mask is None:
        return sample._replace(mask=others[0], further=tuple(others[1:]))
    return sample._replace(further=tuple(others))


def _by_name(folder: Path, recursive: bool) -> dict[str, str]:
    """Return the image files of a folder, relative to it, by sample name."""
    files = discover_files(folder, recursive)
    names = [without_suffix(file) for file in files]
    index = dict(zip(names, files, strict=True))
    if len(index) < len(files):
        name = names[repeated(names)[0]]
        same = [folder / file for file, each in zip(files, names, strict=True) if each == name]
        shown = " and ".join(path.name for path in same)
        raise SodError(f"{same[0].parent}: {shown} share the name '{name}'; keep one of them")
    return index


def _below(folder: Path, files: Iterable[str]) -> list[str]:
    """Return the paths of files of a folder; an empty one stays empty."""
    prefix = str(folder / "x")[:-1]
    return [prefix + file if file else "" for file in files]
