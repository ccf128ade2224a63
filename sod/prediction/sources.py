"""Images to predict on: the names of their results, and the data module that loads them."""

import os
from collections.abc import Sequence
from pathlib import Path

import pytorch_lightning as pl

from sod.core.errors import SodError
from sod.data.dataset import SaliencyDataset
from sod.data.loader import Loader, default_workers
from sod.data.sample_list import SampleList, sample_list
from sod.data.samples import Sample
from sod.data.windows import images_together
from sod.data.working_size import WorkingSize, group_pixels


def without_results(samples: Sequence[Sample], folders: Sequence[Path]) -> SampleList:
    """Leave out images that are results of an earlier run.

    Args:
        samples: The images that were found.
        folders: Folders that results are written to; they may lie inside the source.

    Raises:
        SodError: Nothing is left.
    """
    own = [folder.resolve() for folder in folders if folder.exists()]
    links: dict[str, set[str] | None] = {}
    inside: dict[str, bool] = {}

    def foreign(_name: str, file: str) -> bool:
        above = file[: file.rfind(os.sep) + 1]
        if above not in links:
            links[above], inside[above] = _links_in(above), _lies_in(Path(above), own)
        if _is_link(file, links[above]):
            return not _lies_in(Path(file), own)
        return not inside[above]

    found = sample_list(samples)
    kept = found.where(foreign) if own else found
    if not kept:
        raise SodError(f"--source: {samples[0].image} and all others are results of this program.")
    return kept


def _lies_in(path: Path, folders: Sequence[Path]) -> bool:
    """Return whether what a path stands for lies in one of some resolved folders."""
    place = path.resolve()
    return any(place.is_relative_to(folder) for folder in folders)


def _links_in(folder: str) -> set[str] | None:
    """Return the names of the links in a folder; None if it cannot be listed."""
    try:
        with os.scandir(folder or ".") as entries:
            return {entry.name for entry in entries if entry.is_symlink()}
    except OSError:
        return None


def _is_link(file: str, links: set[str] | None) -> bool:
    """Return whether a file is a link: one of those in its folder, where these are known."""
    if links is None:
        return os.path.islink(file)  # noqa: PTH114
    return bool(links) and file[file.rfind(os.sep) + 1 :] in links


class SourceData(pl.LightningDataModule):
    """Data module of images without masks, each in its own size up to the working size.

    Files that cannot be read are collected in the batches' ``errors`` instead of raising.

    Args:
        samples: The images.
        num_workers: Number of worker processes, or None for a number that suits the CPU count.
        groups: Load the images of each folder together, at a size at which they fit into memory.
        max_side: Pixels of the longer side at which larger images are predicted; None: no limit.
        together: Images that are predicted in one step, or None for a number that suits the device.
    """

    def __init__(
        self,
        samples: Sequence[Sample],
        num_workers: int | None,
        groups: bool = False,
        max_side: int | None = None,
        *,
        together: int | None = 1,
    ) -> None:
        super().__init__()
        self.groups = groups
        self.samples = samples
        self.num_workers = num_workers
        self.together = together
        pixels = group_pixels(samples) if groups and samples else None
        self.transform = WorkingSize(pixels, max_side)

    def predict_dataloader(self) -> Loader:
        """Return the loader of this rank's share: single images, windows, or whole groups."""
        processes = self.trainer.world_size if self.trainer else 1
        device = self.trainer.strategy.root_device if self.trainer else None
        workers = default_workers(processes) if self.num_workers is None else self.num_workers
        return Loader(
            SaliencyDataset(
                self.samples, self.transform, with_masks=False, enough=self.transform.size
            ),
            workers=min(workers, len(self.samples) - 1),
            on_error="collect",
            replicas=processes,
            rank=self.trainer.global_rank if self.trainer else 0,
            groups=self.groups,
            together=images_together(self.together, device),
        )
