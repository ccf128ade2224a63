"""Datasets by name as Lightning's loaders."""

import os
from collections.abc import Mapping
from pathlib import Path

from pytorch_lightning import LightningDataModule
from pytorch_lightning.trainer.states import TrainerFn

from sod.core.errors import SodError
from sod.core.seed import run_seed
from sod.data.benchmarks import Dataset, find_dataset
from sod.data.dataset import SaliencyDataset
from sod.data.loader import Loader, default_workers
from sod.data.samples import Sample
from sod.data.transforms import Augmentation, EvalTransform, TrainTransform


class SaliencyData(LightningDataModule):
    """Images for training, validation and test, with masks only where they are asked for.

    A dataset is named as a benchmark (``DUTS-TR``, ``DUTS-TE``, ``ECSSD``, ``DUT-OMRON``,
    ``HKU-IS``, ``PASCAL-S``, in any spelling), as ``builtin[-COUNT[-SIZE[-SEED]]]`` (synthetic
    scenes, written below the root at first use) or as a folder with ``images/`` and optional
    ``masks/``.

    Args:
        root: the data root, the folder that holds the benchmarks.
        train: datasets to train on, comma-separated.
        val: datasets to validate on, comma-separated, with their masks where they have some. Null:
            as many training images as ``val_images`` says, evenly spaced, without masks.
        test: datasets to test on, comma-separated, one loader each; every image needs a mask.
        size: side of the training images in pixels.
        batch_size: training images per step and process (devices × batch_size per optimiser step).
        eval_batch_size: images per step in validation and test. Images keep their own size there,
            so that more than 1 works only if all are equally large.
        num_workers: worker processes of each loader; null: the CPUs, at most 8. No result depends
            on it.
        supervised: read the training masks. If false they are never opened.
        seed: seed of shuffling and augmentation; null: the seed of the run (seed_everything).
        val_images: number of training images to validate on where ``val`` is null.
        drop_defects: leave out samples whose mask is known to be wrong or of another size.
        augmentation: what is done to training images.
    """

    def __init__(
        self,
        root: str = "datasets",
        train: str | None = None,
        val: str | None = None,
        test: str | None = None,
        size: int = 224,
        batch_size: int = 50,
        eval_batch_size: int = 1,
        num_workers: int | None = None,
        supervised: bool = False,
        seed: int | None = None,
        val_images: int = 64,
        drop_defects: bool = False,
        augmentation: Augmentation = Augmentation(),  # noqa: B008 - frozen
    ) -> None:
        super().__init__()
        for field, value in (("size", size), ("batch_size", batch_size)):
            if value < 1:
                raise SodError(f"data.{field}: {value} is not at least 1")
        self.root = root
        self.train, self.val, self.test = train, val, test
        self.size = size
        self.batch_size = batch_size
        self.eval_batch_size = eval_batch_size
        self._num_workers = num_workers
        self.supervised = supervised
        self.seed = run_seed() if seed is None else seed
        self.val_images = val_images
        self.drop_defects = drop_defects
        self.augmentation = augmentation
        self._labels: Mapping[Path, Path] | None = None

    @property
    def configured_workers(self) -> int | None:
        """What ``num_workers`` was given as."""
        return self._num_workers

    @property
    def num_workers(self) -> int:
        """Number of worker processes of each loader in this process."""
        if self._num_workers is not None:
            return self._num_workers
        processes = self.trainer.world_size if self.trainer else 1
        return default_workers(int(os.environ.get("LOCAL_WORLD_SIZE", processes)))

    @property
    def test_names(self) -> list[str]:
        """The name of each test dataset, in the order of ``test_dataloader``."""
        return [found.name for found in self._datasets("test", self.test)]

    @property
    def val_names(self) -> list[str]:
        """The name of each validation dataset, in the order of ``val_dataloader``."""
        if self.val is None:
            return ["train"]
        return [found.name for found in self._datasets("val", self.val)]

    def prepare_data(self) -> None:
        """Look up every dataset the run needs, once per machine: a mistake ends it at once."""
        fitting = self.trainer is None or self.trainer.state.fn != TrainerFn.TESTING
        testing = self.trainer is None or self.trainer.state.fn == TrainerFn.TESTING
        for field in (*(["train", "val"] if fitting else []), *(["test"] if testing else [])):
            if (names := getattr(self, field)) is not None:
                self._datasets(field, names)

    def train_dataloader(self) -> Loader:
        """Return the loader of shuffled, augmented training images.

        Raises:
            SodError: a dataset is absent, or a mask is missing and ``supervised`` is set.
        """
        transform = TrainTransform(self.size, self.augmentation)
        samples, masks = self.train_samples(), self.supervised
        if self._labels is not None:
            labels, masks = self._labels, True
            samples = [s._replace(mask=labels[s.image]) for s in samples if s.image in labels]
        dataset = SaliencyDataset(samples, transform, masks, self.seed)
        return self._loader(dataset, self.batch_size, training=True)

    def val_dataloader(self) -> list[Loader]:
        """Return one loader per validation dataset, of images in their own size."""
        if self.val is not None:
            found = self._datasets("val", self.val)
            return [
                self._eval_loader(f.samples, masks=f.place.folders.masks is not None) for f in found
            ]
        if self.train is None or self.val_images == 0:
            return []
        samples = self.train_samples()
        count = min(self.val_images, len(samples))
        chosen = [samples[i * len(samples) // count] for i in range(count)]
        return [self._eval_loader(chosen, masks=False)]

    def test_dataloader(self) -> list[Loader]:
        """Return one loader per test dataset, of images and masks in their own size.

        Raises:
            SodError: a dataset is absent, or one of its images has no mask.
        """
        found = self._datasets("test", self.test)
        return [self._eval_loader(dataset.samples, masks=True) for dataset in found]

    def test_samples(self) -> list[tuple[str, list[Sample]]]:
        """Return name and samples of each test dataset.

        Raises:
            SodError: a dataset is absent.
        """
        return [(found.name, found.samples) for found in self._datasets("test", self.test)]

    def variant(
        self,
        train: str,
        size: int | None = None,
        batch_size: int | None = None,
        seed: int | None = None,
    ) -> "SaliencyData":
        """Return the same data for another training, on the datasets' own masks.

        Args:
            train: Datasets to train on.
            size: Side of the training images; None: as here.
            batch_size: Training images per step and process; None: as here.
            seed: Of shuffling and augmentation; None: as here.
        """
        return SaliencyData(
            self.root,
            train,
            self.val,
            self.test,
            self.size if size is None else size,
            self.batch_size if batch_size is None else batch_size,
            self.eval_batch_size,
            self._num_workers,
            False,
            self.seed if seed is None else seed,
            self.val_images,
            self.drop_defects,
            self.augmentation,
        )

    def train_on(self, labels: Mapping[Path, Path]) -> None:
        """Train on other masks than the datasets' own, which then stay closed.

        Args:
            labels: Of each image file that is trained on, the mask file; the rest is left out.
        """
        self._labels = labels

    @property
    def relabelled(self) -> bool:
        """Whether it trains on other masks than the datasets' own."""
        return self._labels is not None

    def train_samples(self) -> list[Sample]:
        """Return the training images.

        Raises:
            SodError: a dataset is absent.
        """
        return [s for found in self._datasets("train", self.train) for s in found.samples]

    def _datasets(self, field: str, names: str | None) -> list[Dataset]:
        wanted = [name.strip() for name in (names or "").split(",") if name.strip()]
        if not wanted:
            raise SodError(f"data.{field}: no dataset named; give a benchmark's name or a folder")
        found = [find_dataset(self.root, name, self.drop_defects) for name in wanted]
        empty = [dataset.name for dataset in found if not dataset.samples]
        if empty:
            raise SodError(f"data.{field}: {empty[0]} has no images")
        return found

    def _eval_loader(self, samples: list[Sample], masks: bool) -> Loader:
        dataset = SaliencyDataset(samples, EvalTransform(), masks, self.seed)
        return self._loader(dataset, self.eval_batch_size, training=False)

    def _loader(self, dataset: SaliencyDataset, batch_size: int, training: bool) -> Loader:
        return Loader(
            dataset,
            batch_size,
            training=training,
            workers=self.num_workers,
            replicas=self.trainer.world_size if self.trainer else 1,
            rank=self.trainer.global_rank if self.trainer else 0,
        )
