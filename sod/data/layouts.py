"""Search for the image and mask folders of a dataset in all known folder layouts."""

import os
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from sod.data.catalogue import Benchmark, simplified
from sod.data.image_files import SUFFIXES
from sod.data.samples import is_junk

# (images, masks) folder names of repackaged archives: TokenCut, A2S, SALOD, own data, ECSSD's own.
PAIRS = (
    ("images", "masks"),
    ("img", "gt"),
    ("imgs", "gt"),
    ("images", "gt"),
    ("RGB", "GT"),
    ("image", "mask"),
    ("image", "gt"),
    ("imgs", "masks"),
    ("images", "segmentations"),
    ("images", "ground_truth_mask"),
    ("images", "ground_truth"),
    ("image", "groundtruth"),
    ("images", "gts"),
    ("images", "mask"),
    ("images", "annotations"),
    ("images", "labels"),
)
# The parents of (images, masks) folders of several sets of groups: images/SET/GROUP, gts/SET/GROUP.
PARENTS = (("images", "gts"), ("image", "gt"), ("images", "gt"), ("image", "groundtruth"))
MASK_NAMES = tuple(dict.fromkeys(masks for _, masks in PAIRS))


class Folders(NamedTuple):
    """The folders of a dataset.

    Args:
        images: The folder of images.
        masks: The folder of masks, or None.
        recursive: Whether both are searched recursively.
    """

    images: Path
    masks: Path | None
    recursive: bool = False


def locate_benchmark(root: Path, benchmark: Benchmark) -> Folders | None:
    """Return the folders of a benchmark below a data root, or None.

    The search order is: first the benchmark's own folder (under any alias, in any case, also
    inside ``DUTS/``, nested in itself, or the root itself) with its published or a repackaged pair
    of folder names; then its published folder names directly in ``DUTS/`` or in the root; for a set
    of groups also folders of its name in ``images/`` and ``gts/``. The first result with masks is
    preferred to those without.
    """
    if benchmark.groups is not None:
        return _locate_groups(root, benchmark)
    named = list(_named_folders(root, benchmark))
    shared = [*_children(root, {"duts"}), root]
    candidates = chain(
        (found for base in named for found in _pairs_in(base, (*benchmark.folders, *PAIRS))),
        (
            found
            for base in shared
            for found in _pairs_in(base, benchmark.folders)
            if found.masks or simplified(found.images.name).startswith(simplified(benchmark.name))
        ),
    )
    return _best(candidates)


def locate_beside(root: Path, name: str) -> Folders | None:
    """Return the folders of a set in a root with one folder for all images, one for all masks.

    These are ``images/NAME`` and ``gts/NAME``, or other names in :data:`PARENTS`.
    """
    pairs = tuple((f"{images}/{name}", f"{masks}/{name}") for images, masks in PARENTS)
    found = _best(_pairs_in(root, pairs))
    return found._replace(recursive=True) if found else None


def _locate_groups(root: Path, benchmark: Benchmark) -> Folders | None:
    """Return the folders of a benchmark of groups, or None."""
    pairs = (*benchmark.folders, *PAIRS)
    named = [f for base in _named_folders(root, benchmark) for f in _pairs_in(base, pairs)]
    beside = [locate_beside(root, name) for name in (benchmark.name, *benchmark.aliases)]
    found = _best(iter([*named, *filter(None, beside)]))
    return found._replace(recursive=True) if found else None


def locate_own(folder: Path) -> Folders | None:
    """Return the image and mask folders inside a folder of own data; None without images.

    Accepted layouts are a pair of folders as in :data:`PAIRS` (searched recursively), images beside
    a folder of masks, and images alone at any depth.
    """
    if found := _best(_pairs_in(folder, PAIRS)):
        return found._replace(recursive=True)
    inner = _folders(folder)
    masks = next(filter(None, (_called(name, inner) for name in MASK_NAMES)), None)
    if masks:
        return Folders(folder, masks) if _holds_images(folder) else None
    return Folders(folder, None, recursive=True) if _holds_images(folder, deep=True) else None


def _best(candidates: Iterator[Folders]) -> Folders | None:
    """Return the first candidate with masks, else the first one, else None."""
    without_masks = None
    for found in candidates:
        if found.masks:
            return found
        without_masks = without_masks or found
    return without_masks


def _named_folders(root: Path, benchmark: Benchmark) -> Iterator[Path]:
    """Yield the folders that carry the benchmark's name or an alias."""
    parents = [root, *_children(root, {"duts"})]
    own = [root] if simplified(root.resolve().name) in benchmark.keys else []
    for folder in chain(own, *(_children(parent, benchmark.keys) for parent in parents)):
        yield folder
        if (inner := _unnested(folder)) != folder:
            yield inner


def _pairs_in(base: Path, pairs: tuple[tuple[str, str], ...]) -> Iterator[Folders]:
    """Yield the (images, masks) folders of ``base`` that hold images; the masks may be absent."""
    inner = _folders(base)  # listed once, as it may hold very many images too
    for images_name, masks_name in pairs:
        images = _called(images_name, inner)
        images = _unnested(images) if images else None
        if images and _holds_images(images, deep=True):
            masks = _called(masks_name, inner)
            yield Folders(images, _unnested(masks) if masks else None)


def _unnested(folder: Path) -> Path:
    """Return the innermost folder where an archive repeats its name (``X/X/...``)."""
    inner = None if _holds_images(folder) else _called(folder.name, _folders(folder))
    return _unnested(inner) if inner else folder


def _children(folder: Path, keys: frozenset[str] | set[str]) -> list[Path]:
    return [child for child in _folders(folder) if simplified(child.name) in keys]


def _called(path: str, folders: list[Path]) -> Path | None:
    """Return the folder at a path in any case, preferring the exact spelling, or None.

    Args:
        path: The path, relative to a folder.
        folders: The folders inside that folder.
    """
    name, _, rest = path.partition("/")
    same = [child for child in folders if child.name.lower() == name.lower()]
    found = next((child for child in same if child.name == name), same[0] if same else None)
    return _called(rest, _folders(found)) if found and rest else found


def _folders(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    with os.scandir(folder) as entries:
        names = [entry.name for entry in entries if entry.is_dir() and not is_junk(entry.name)]
    return [folder / name for name in sorted(names)]


def _holds_images(folder: Path, deep: bool = False) -> bool:
    with os.scandir(folder) as entries:
        for entry in entries:
            suffix = os.path.splitext(entry.name)[1].lower()  # noqa: PTH122 - faster than a Path per file
            if suffix in SUFFIXES and not is_junk(entry.name):
                return True
    return deep and any(_holds_images(inner, deep=True) for inner in _folders(folder))
