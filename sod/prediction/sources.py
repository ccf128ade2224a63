"""Images to predict on: the names of their results, and the data module that loads them."""

from collections.abc import Sequence
from pathlib import Path

import pytorch_lightning as pl

from sod.core.errors import SodError
from sod.data.dataset import SaliencyDataset
from sod.data.loader import Loader, default_workers
from sod.data.samples import Sample
from sod.data.working_size import WorkingSize, group_pixels


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


class SourceData(pl.LightningDataModule):
    """Data module of images without masks, each in its own size up to the working size.

    Files that cannot be read are collected in the batches' ``errors`` instead of raising.

    Args:
        samples: The images.
        num_workers: Number of worker processes, or None for a number that suits the CPU count.
        groups: Load the images of each folder together, at a size at which they fit into memory.
    """

    def __init__(
        self, samples: list[Sample], num_workers: int | None, groups: bool = False
    ) -> None:
        super().__init__()
        self.groups = groups
        self.samples = samples
        self.num_workers = num_workers
        self.transform = WorkingSize(group_pixels(samples) if groups and samples else None)

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
