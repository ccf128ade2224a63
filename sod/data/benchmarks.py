"""Look up a dataset by name: a benchmark, a folder or list of own images, the built-in scenes."""

from pathlib import Path
from typing import NamedTuple

from sod.core.errors import SodError
from sod.data.catalogue import BENCHMARKS, Benchmark, KnownDefect, benchmark_called, unknown_dataset
from sod.data.layouts import PAIRS, Folders, locate_benchmark, locate_beside, locate_own
from sod.data.listed import MARK, listed_samples
from sod.data.pairing import pair
from sod.data.sample_list import SampleList, sample_list
from sod.data.samples import is_junk
from sod.data.synthetic import builtin_scenes, is_builtin

__all__ = [
    "BENCHMARKS",
    "Benchmark",
    "Dataset",
    "Location",
    "available",
    "find_dataset",
    "find_location",
]


class Location(NamedTuple):
    """The folders of a dataset.

    Args:
        name: The name shown in tables.
        folders: The image and mask folders.
        benchmark: The entry of the benchmark table; None for own and built-in data.
    """

    name: str
    folders: Folders
    benchmark: Benchmark | None = None


class Dataset(NamedTuple):
    """The samples of one dataset, in natural order of their names.

    Args:
        location: The dataset's folders.
        samples: One per image; ``mask`` is None where there is none.
        unmatched_masks: Mask files without an image.
    """

    location: Location
    samples: SampleList
    unmatched_masks: list[Path]

    @property
    def name(self) -> str:
        """The name shown in tables."""
        return self.location.name


def find_dataset(root: Path | str, name: str, drop_defects: bool = False) -> Dataset:
    """Find a dataset and pair its images with its masks.

    Args:
        root: The data root, the folder that holds the benchmarks.
        name: A benchmark in any spelling; ``builtin[-COUNT[-SIZE[-SEED]]]``, written below the
            root at first use; a folder of own data (a path, absolute or relative to the working
            directory or to the root); the NAME of own groups in ``images/NAME`` and ``gts/NAME``
            below the root; or ``@LIST``, a text file (:func:`sod.data.listed.listed_samples`).
        drop_defects: Leave out samples whose mask is known to be wrong or of another size.

    Raises:
        SodError: There is no such dataset, or two files share a name.
    """
    if name.startswith(MARK):
        return _listed(Path(name.removeprefix(MARK)))
    location = find_location(Path(root), name)
    images, masks, recursive = location.folders
    pairs = pair(images, masks, recursive)
    defects = location.benchmark.defects if location.benchmark else ()
    surplus = _names(defects, "surplus")
    dropped = surplus | (_names(defects, "wrong mask", "size mismatch") if drop_defects else set())
    resized = _names(defects, "size mismatch")
    samples = pairs.samples
    if dropped:
        samples = samples.where(lambda name, _: name not in dropped)
    if resized:
        samples = sample_list([s._replace(fit_mask=s.name in resized) for s in samples])
    unmatched = [path for path in pairs.unmatched_masks if path.stem not in surplus]
    return Dataset(location, samples, unmatched)


def _listed(path: Path) -> Dataset:
    """Return the images of a list as a dataset with the name of its file."""
    folder, samples = listed_samples(path)
    return Dataset(Location(path.stem, Folders(folder, None)), samples, [])


def find_location(root: Path, name: str) -> Location:
    """Find the folders of a dataset without listing their files.

    Args:
        root: The data root.
        name: As for :func:`find_dataset`.

    Raises:
        SodError: There is no such dataset.
    """
    if is_builtin(name):
        folder = builtin_scenes(root, name)
        return Location(name, Folders(folder / "images", folder / "masks"))
    benchmark = benchmark_called(name)
    if benchmark:
        folders = locate_benchmark(root, benchmark)
        if folders is None:
            raise _missing_benchmark(root, benchmark)
        return Location(benchmark.name, folders, benchmark)
    for folder in (Path(name), root / name):
        if folder.is_dir():
            return _own_location(folder)
    if beside := locate_beside(root, name):
        return Location(Path(name).name, beside)
    raise unknown_dataset(name)


def available(root: Path) -> list[str]:
    """Return the names of the benchmarks found below a data root."""
    return [b.name for b in BENCHMARKS if locate_benchmark(root, b)]


def _own_location(folder: Path) -> Location:
    name = folder.resolve().name
    benchmark = benchmark_called(name)
    folders = locate_benchmark(folder, benchmark) if benchmark else None
    if benchmark and folders:
        return Location(benchmark.name, folders, benchmark)
    folders = locate_own(folder)
    if folders is None:
        raise SodError(
            f"{folder}: no images; put them into {folder / 'images'} "
            f"(and masks, if any, into {folder / 'masks'})"
        )
    return Location(name, folders)


def _names(defects: tuple[KnownDefect, ...], *kinds: str) -> set[str]:
    return {name for defect in defects if defect.kind in kinds for name in defect.names}


def _missing_benchmark(root: Path, benchmark: Benchmark) -> SodError:
    if not root.is_dir():
        return SodError(f"{benchmark.name}: the data root {root} is not a folder; set data.root")
    layouts = [*benchmark.folders[:1], *PAIRS[:2]]
    expected = ", ".join(f"{benchmark.name}/{{{images},{masks}}}" for images, masks in layouts)
    entries = sorted(path.name for path in root.iterdir() if not is_junk(path.name))
    shown = ", ".join(entries[:12]) + (", ..." if len(entries) > 12 else "")
    return SodError(
        f"{benchmark.name} is not in the data root {root}: looked for {expected} and other layouts "
        f"(datasets/README.md); the root contains: {shown or 'nothing'}"
    )
