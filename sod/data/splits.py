"""The datasets that an option names, and those of their images that a run began with."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from sod.core.errors import SodError
from sod.data.benchmarks import Dataset, find_dataset
from sod.data.samples import Sample

Images = Mapping[str, Sequence[str]]
"""Image files, relative to their dataset's folder of images, by the dataset's name as given."""


class Split(NamedTuple):
    """One of the datasets that an option names.

    Args:
        given: Its name, as it is given.
        dataset: Its samples.
    """

    given: str
    dataset: Dataset

    @property
    def files(self) -> list[str]:
        """The image files, relative to their folder."""
        return [self._file(sample) for sample in self.dataset.samples]

    def samples(self, kept: Images) -> list[Sample]:
        """Return the samples, of the kept images where these are known.

        Args:
            kept: The images; one that is gone is kept, so that reading it names it, and those of
                the others keep their places.
        """
        if self.given not in kept:
            return self.dataset.samples
        there = {self._file(sample): sample for sample in self.dataset.samples}
        folder = self.dataset.location.folders.images
        gone = {
            file: Sample(Path(file).with_suffix("").as_posix(), folder / file)
            for file in kept[self.given]
            if file not in there
        }
        return [there.get(file) or gone[file] for file in kept[self.given]]

    def _file(self, sample: Sample) -> str:
        return sample.image.relative_to(self.dataset.location.folders.images).as_posix()


def find_splits(
    root: Path | str, field: str, names: str | None, drop_defects: bool = False
) -> list[Split]:
    """Find the datasets of a comma-separated list.

    Args:
        root: The data root.
        field: The option ``data.FIELD`` that names them, for messages.
        names: Their names.
        drop_defects: As for :func:`find_dataset`.

    Raises:
        SodError: None is named, one is missing, or one has no images.
    """
    given = [name.strip() for name in (names or "").split(",") if name.strip()]
    if not given:
        raise SodError(f"data.{field}: no dataset named; give a benchmark's name or a folder")
    splits = [Split(name, find_dataset(root, name, drop_defects)) for name in given]
    empty = [split.dataset.name for split in splits if not split.dataset.samples]
    if empty:
        raise SodError(f"data.{field}: {empty[0]} has no images")
    return splits
