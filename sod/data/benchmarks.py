"""From a dataset's name to its samples: benchmarks, own folders and the built-in set."""

from pathlib import Path
from typing import NamedTuple

from sod.core.errors import SodError
from sod.data.catalogue import BENCHMARKS, Benchmark, KnownDefect, benchmark_called, unknown_dataset
from sod.data.layouts import PAIRS, Folders, locate_benchmark, locate_own
from sod.data.samples import Sample, is_junk, pair
from sod.data.synthetic import builtin_scenes, is_builtin

__all__ = ["BENCHMARKS", "Benchmark", "Dataset", "Place", "available", "find_dataset", "find_place"]


class Place(NamedTuple):
    """Where a dataset was found.

    Args:
        name: the name for tables.
        folders: its image and mask folders.
        benchmark: its row of the benchmark table, or None for own and built-in data.
    """

    name: str
    folders: Folders
    benchmark: Benchmark | None = None


class Dataset(NamedTuple):
    """The samples of one dataset, in natural order of their names.

    Args:
        place: where they were found.
        samples: one for every image; ``mask`` is None where there is none.
        spare_masks: masks without an image.
    """

    place: Place
    samples: list[Sample]
    spare_masks: list[Path]

    @property
    def name(self) -> str:
        """The name for tables."""
        return self.place.name


def find_dataset(root: Path | str, name: str, drop_defects: bool = False) -> Dataset:
    """Find a dataset and pair its images with its masks.

    Args:
        root: the data root, the folder that holds the benchmarks.
        name: a benchmark in any spelling; ``builtin[-COUNT[-SIZE[-SEED]]]``, written below the
            root at first use; or a folder of own data (from here or from the root).
        drop_defects: leave out samples whose mask is known to be wrong or of another size.

    Raises:
        SodError: nothing of this name is there, or two files share a name.
    """
    place = find_place(Path(root), name)
    images, masks, recursive = place.folders
    pairs = pair(images, masks, recursive)
    defects = place.benchmark.defects if place.benchmark else ()
    surplus = _names(defects, "surplus")
    dropped = surplus | (_names(defects, "wrong mask", "size mismatch") if drop_defects else set())
    fitted = _names(defects, "size mismatch")
    samples = [
        sample._replace(fit_mask=sample.name in fitted)
        for sample in pairs.samples
        if sample.name not in dropped
    ]
    spare = [path for path in pairs.spare_masks if path.stem not in surplus]
    return Dataset(place, samples, spare)


def find_place(root: Path, name: str) -> Place:
    """Find a dataset's folders without listing them; else as :func:`find_dataset`."""
    if is_builtin(name):
        folder = builtin_scenes(root, name)
        return Place(name, Folders(folder / "images", folder / "masks"))
    benchmark = benchmark_called(name)
    if benchmark:
        folders = locate_benchmark(root, benchmark)
        if folders is None:
            raise _absent(root, benchmark)
        return Place(benchmark.name, folders, benchmark)
    for folder in (Path(name), root / name):
        if folder.is_dir():
            return _own(folder)
    raise unknown_dataset(name)


def available(root: Path) -> list[str]:
    """Return the names of the benchmarks that lie below a data root."""
    return [b.name for b in BENCHMARKS if locate_benchmark(root, b)]


def _own(folder: Path) -> Place:
    name = folder.resolve().name
    benchmark = benchmark_called(name)
    folders = locate_benchmark(folder, benchmark) if benchmark else None
    if benchmark and folders:
        return Place(benchmark.name, folders, benchmark)
    folders = locate_own(folder)
    if folders is None:
        raise SodError(
            f"{folder}: no images; put them into {folder / 'images'} "
            f"(and masks, if any, into {folder / 'masks'})"
        )
    return Place(name, folders)


def _names(defects: tuple[KnownDefect, ...], *kinds: str) -> set[str]:
    return {name for defect in defects if defect.kind in kinds for name in defect.names}


def _absent(root: Path, benchmark: Benchmark) -> SodError:
    if not root.is_dir():
        return SodError(f"{benchmark.name}: the data root {root} is no folder; set data.root")
    layouts = [*benchmark.folders[:1], *PAIRS[:2]]
    wanted = ", ".join(f"{benchmark.name}/{{{images},{masks}}}" for images, masks in layouts)
    there = sorted(path.name for path in root.iterdir() if not is_junk(path.name))
    shown = ", ".join(there[:12]) + (", ..." if len(there) > 12 else "")
    return SodError(
        f"{benchmark.name} is not in the data root {root}: looked for {wanted} and other layouts "
        f"(datasets/README.md); there is: {shown or 'nothing'}"
    )
