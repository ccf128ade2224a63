"""Images to predict on: the names of their results, and the data module that loads them."""

import unicodedata
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytorch_lightning as pl

from sod.core.errors import SodError
from sod.data.dataset import SaliencyDataset, Transform
from sod.data.loader import Loader, default_workers
from sod.data.samples import Sample
from sod.data.transforms import EvalTransform

KEEP = EvalTransform()


def without_results(samples: Sequence[Sample], folders: Sequence[Path]) -> list[Sample]:
    """Leave out images that are results of an earlier run.

    Args:
        samples: The images that were found.
        folders: Folders that results are written to; they may lie inside the source.

    Raises:
        SodError: Nothing is left.
    """
    own = [folder.resolve() for folder in folders]
    kept = [
        sample
        for sample in samples
        if not any(sample.image.resolve().is_relative_to(folder) for folder in own)
    ]
    if not kept:
        raise SodError(f"--source: {samples[0].image} and all others are results of this program.")
    return kept


def unique_names(files: Sequence[Path]) -> list[str]:
    """Return a name per file, so that ``NAME.png`` and ``NAME.json`` overwrite no other result.

    It is the path without the suffix where that is unambiguous, else with it. Names that differ
    only in case or in the encoding of accents count as equal, as on macOS and Windows.

    Args:
        files: Relative paths, no two of them equal.

    Raises:
        SodError: A result would have the path of another result's folder.
    """
    names = [file.with_suffix("").as_posix() for file in files]
    folders = {_key(parent.as_posix()) for file in files for parent in file.parents}
    for _ in range(3):  # a name with its suffix can clash with the shorter name of a further file
        clashing = _clashing(names, folders)
        names = [
            file.as_posix() if clash else name
            for name, file, clash in zip(names, files, clashing, strict=True)
        ]
    for file, clash in zip(files, _clashing(names, folders), strict=True):
        if clash:
            raise SodError(f"--source: the result of {file} has the name of a folder: rename it.")
    return names


def _clashing(names: Sequence[str], folders: set[str]) -> list[bool]:
    """Return for each name whether its result has the path of another result or of a folder."""
    counts = Counter(map(_key, names))
    return [
        counts[_key(name)] > 1
        or not folders.isdisjoint({_key(f"{name}.png"), _key(f"{name}.json")})
        for name in names
    ]


def _key(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


class SourceData(pl.LightningDataModule):
    """Data module of images without masks, each in its own size.

    Files that cannot be read are collected in the batches' ``errors`` instead of raising.

    Args:
        samples: The images.
        num_workers: Number of worker processes, or None for a number that suits the CPU count.
        groups: Load the images of each folder together.
        transform: Transform of each image.
    """

    def __init__(
        self,
        samples: list[Sample],
        num_workers: int | None,
        groups: bool = False,
        transform: Transform = KEEP,
    ) -> None:
        super().__init__()
        self.groups = groups
        self.samples = samples
        self.num_workers = num_workers
        self.transform = transform

    def predict_dataloader(self) -> Loader:
        """Return the loader of this rank's share: one image per batch, or one group."""
        processes = self.trainer.world_size if self.trainer else 1
        workers = default_workers(processes) if self.num_workers is None else self.num_workers
        return Loader(
            SaliencyDataset(self.samples, self.transform, with_masks=False),
            workers=min(workers, len(self.samples) - 1),
            on_error="collect",
            replicas=processes,
            rank=self.trainer.global_rank if self.trainer else 0,
            groups=self.groups,
        )
