"""Images to predict on: an image file or a folder, and the data module that loads them."""

from collections import Counter
from pathlib import Path

import pytorch_lightning as pl

from sod.core.errors import SodError, suggest
from sod.data.dataset import SaliencyDataset
from sod.data.loader import Loader, default_workers
from sod.data.samples import Sample, discover_images
from sod.data.transforms import EvalTransform


def find_sources(source: str) -> list[Sample]:
    """List the image at a path, or all images in a folder and its sub-folders.

    A sample's name is its path relative to the folder, without the suffix. Images whose names
    would be equal keep the suffix, so that no result overwrites another.

    Args:
        source: Path of an image or of a folder.

    Raises:
        SodError: There is nothing at ``source``, or no image in it.
    """
    path = Path(source)
    if path.is_file():
        return [Sample(path.stem, path, None)]
    if not path.is_dir():
        near = [str(entry) for entry in path.parent.iterdir()] if path.parent.is_dir() else []
        raise SodError(
            f"--source {source}: there is no such file or folder.{suggest(source, near)}"
        )
    images = discover_images(path, recursive=True)
    if not images:
        raise SodError(f"--source {source}: there is no image in this folder.")
    names = [image.relative_to(path).with_suffix("").as_posix() for image in images]
    counts = Counter(names)
    return [
        Sample(image.relative_to(path).as_posix() if counts[name] > 1 else name, image, None)
        for image, name in zip(images, names, strict=True)
    ]


class SourceData(pl.LightningDataModule):
    """Data module of images without masks, each in its own size.

    Files that cannot be read are collected in the batches' ``errors`` instead of raising.

    Args:
        samples: The images.
        num_workers: Number of worker processes, or None for a number that suits the CPU count.
        groups: Load the images of each folder together.
    """

    def __init__(
        self, samples: list[Sample], num_workers: int | None, groups: bool = False
    ) -> None:
        super().__init__()
        self.groups = groups
        self.samples = samples
        self.num_workers = num_workers

    def predict_dataloader(self) -> Loader:
        """Return the loader of this rank's share: one image per batch, or one group."""
        processes = self.trainer.world_size if self.trainer else 1
        workers = default_workers(processes) if self.num_workers is None else self.num_workers
        return Loader(
            SaliencyDataset(self.samples, EvalTransform(), with_masks=False),
            workers=min(workers, len(self.samples) - 1),
            on_error="collect",
            replicas=processes,
            rank=self.trainer.global_rank if self.trainer else 0,
            groups=self.groups,
        )
