"""The datasets that an option names, and those of their images that a run began with."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from sod.core.errors import SodError
from sod.data.benchmarks import Dataset, find_dataset
from sod.data.sample_list import SampleList, joined
from sod.data.samples import Sample
from sod.data.strings import Strings

Images = Mapping[str, Sequence[str]]
"""Image files, relative to their dataset's folder of images, by the dataset's name as given."""


@dataclass(frozen=True)
class Split:
    """One of the datasets that an option names.

    Args:
        given: Its name, as it is given.
        dataset: Its samples.
    """

    given: str
    dataset: Dataset

    @cached_property
    def files(self) -> Strings:
        """The image files, relative to their folder."""
        prefix = len(str(self.dataset.location.folders.images / "x")) - 1
        entries = self.dataset.samples.entries()
        return Strings(file[prefix:].replace(os.sep, "/") for _, file in entries)

    def samples(self, kept: Images) -> SampleList:
        """Return the samples, of the kept images where these are known.

        Args:
            kept: The images; one that is gone is kept, so that reading it names it, and those of
                the others keep their places.
        """
        if self.given not in kept or self.files == kept[self.given]:
            return self.dataset.samples
        files = kept[self.given]
        row_of = {file: row for row, file in enumerate(self.files)}
        gone = [file for file in files if file not in row_of]
        row_of |= {file: len(self.files) + number for number, file in enumerate(gone)}
        everything = joined([self.dataset.samples, [self._gone(file) for file in gone]])
        return everything.at([row_of[file] for file in files])

    def _gone(self, file: str) -> Sample:
        folder = self.dataset.location.folders.images
        return Sample(Path(file).with_suffix("").as_posix(), folder / file)


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
