"""Lightning data module that loads datasets by name."""

from collections.abc import Mapping, Sequence
from copy import copy as shallow_copy
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pytorch_lightning import LightningDataModule
from pytorch_lightning.trainer.states import TrainerFn

from sod.core.seed import check_seed, run_seed
from sod.core.shards import WHOLE, Shard
from sod.data.arguments import BatchSizePer, check_choices, check_counts, check_validation
from sod.data.benchmarks import Dataset
from sod.data.dataset import OnError, Regions, SaliencyDataset
from sod.data.features import FeaturesConfig
from sod.data.groups import share_of, with_few_masks
from sod.data.loader import Loader, chosen_workers
from sod.data.sample_list import SampleList, joined
from sod.data.sampler import share_of_step
from sod.data.samples import Sample
from sod.data.scenes import check_scenes, training_scenes
from sod.data.splits import Images, Split, find_splits
from sod.data.transforms import Augmentation, TrainTransform
from sod.data.views import Views, kept_views
from sod.data.windows import images_together
from sod.data.working_size import WorkingSize


class SaliencyData(LightningDataModule):
    """Images for training, validation and test; masks are read only where they are needed.

    A dataset is named as a benchmark (``DUTS-TR``, ``ECSSD``, ..., in any spelling), as
    ``builtin[-COUNT[-SIZE[-SEED]]]`` (synthetic scenes, written below the root at first use), as a
    folder with ``images/`` and optional ``masks/``, or as ``@LIST`` (:mod:`sod.data.listed`).

    Args:
        root: The folder that holds the benchmarks.
        train: Datasets to train on, comma-separated.
        val: Datasets to validate on. Null: ``val_images`` evenly spaced training images.
        test: Datasets to test on, comma-separated, one loader each; every image needs a mask.
        size: Side of the training images in pixels.
        batch_size: Training images per batch.
        batch_size_per: What ``batch_size`` counts: the batch of each ``process``, or the images of
            one optimiser ``step`` over all processes and accumulated batches.
        eval_batch_size: Images that are evaluated, predicted or labelled in one step; those of one
            size are given to the method together. Null: 16 on a GPU, 1 on a CPU.
        num_workers: Worker processes of each loader; no result depends on it. Null: the CPUs, or 8.
        supervised: Read the training masks (of groups, those that there are); else none is opened.
        seed: Seed of shuffling and augmentation. Null: that of the run (seed_everything).
        val_images: Number of training images to validate on where ``val`` is null.
        val_masks: Read the masks of ``val`` and log measures against them (``val_masks/iou``, ...).
        drop_defects: Leave out samples whose mask is known to be wrong or of another size.
        augmentation: Augmentation of the training images.
        features: How the features of frozen backbones are computed in a training.

    Raises:
        SodError: An argument is invalid.
    """

    _regions: Regions | None = None
    strict: bool = False  # whether an unreadable image ends a training without masks
    shard: Shard = WHOLE  # the part of each test set that is read
    _groups = False
    _labelled: int | None = None
    _expects_labels = False
    _found: tuple[tuple[str, str | None, bool], list[Split]] | None = None
    _kept: Images = MappingProxyType({})  # the images that a run began with

    def __init__(
        self,
        root: str = "datasets",
        train: str | None = None,
        val: str | None = None,
        test: str | None = None,
        size: int = 224,
        batch_size: int = 50,
        eval_batch_size: int | None = None,
        num_workers: int | None = None,
        supervised: bool = False,
        seed: int | None = None,
        val_images: int = 64,
        drop_defects: bool = False,
        augmentation: Augmentation = Augmentation(),  # noqa: B008 - frozen
        batch_size_per: BatchSizePer = "process",
        val_masks: bool = False,
        features: FeaturesConfig = FeaturesConfig(),  # noqa: B008 - frozen
    ) -> None:
        super().__init__()
        check_counts(size=size, batch_size=batch_size, eval_batch_size=eval_batch_size)
        check_choices(num_workers, batch_size_per)
        check_validation(val, val_masks)
        self.root, self.size, self.batch_size = root, size, batch_size
        self.train, self.val, self.test = train, val, test
        self.batch_size_per: BatchSizePer = batch_size_per
        self.eval_batch_size, self._num_workers = eval_batch_size, num_workers
        self.supervised, self.drop_defects = supervised, drop_defects
        self.seed = run_seed() if seed is None else check_seed(seed, "data.seed")
        self.val_images, self.val_masks = val_images, val_masks
        self.augmentation, self.features = augmentation, features
        self.views = Views(features.views, self.seed) if features.views else None
        self.kept_views = kept_views(features)
        self._labels: Mapping[Path, Path] | None = None
        self._sureness: Mapping[Path, float] = {}

    @property
    def configured_workers(self) -> int | None:
        """The ``num_workers`` argument as it was passed; None stands for the default."""
        return self._num_workers

    @property
    def num_workers(self) -> int:
        """Number of worker processes of each loader in this process."""
        processes = self.trainer.world_size if self.trainer else 1
        return chosen_workers(self._num_workers, processes, memory=self.kept_views is not None)

    @property
    def test_names(self) -> list[str]:
        """The name of each test dataset, in the order of ``test_dataloader``."""
        return [dataset.name for dataset in self._datasets("test", self.test)]

    def process_batch_size(self, processes: int = 1, accumulated: int = 1) -> int:
        """Return the training images per batch of one process.

        Args:
            processes: World size.
            accumulated: Batches per optimiser step.

        Raises:
            SodError: The images of one optimiser step cannot be shared equally.
        """
        if self.batch_size_per == "process":
            return self.batch_size
        return share_of_step(self.batch_size, processes, accumulated)

    def check_training(self) -> None:
        """Look up the images to train and to validate on, and the masks that will be read.

        Raises:
            SodError: No dataset to train on is named, or a dataset or a mask is missing.
        """
        self.train_dataloader()
        self.val_dataloader()

    def prepare_data(self) -> None:
        """Look up every dataset of the run, so that a wrong name fails before training starts."""
        fitting = self.trainer is None or self.trainer.state.fn != TrainerFn.TESTING
        testing = self.trainer is None or self.trainer.state.fn == TrainerFn.TESTING
        for field in (*(["train", "val"] if fitting else []), *(["test"] if testing else [])):
            if (names := getattr(self, field)) is not None:
                self._datasets(field, names)

    def train_dataloader(self) -> Loader:
        """Return the loader of shuffled, augmented training images.

        Raises:
            SodError: A dataset is missing, a mask is missing and ``supervised`` is set, there are
                none to compose images with, or the batch of an optimiser step cannot be shared.
        """
        transform = TrainTransform(self.size, self.augmentation)
        samples: Sequence[Sample] = self.train_samples()
        masks = self.supervised
        if self._labels is not None:
            labels, masks = self._labels, True
            samples = [s._replace(mask=labels[s.image]) for s in samples if s.image in labels]
        elif masks and self._groups:
            samples = with_few_masks(samples, self._labelled)
        check_scenes(self.augmentation, (masks or self._expects_labels) and not self._groups)
        scenes = training_scenes(self.augmentation, samples, self._sureness) if masks else None
        how: dict[str, Any] = {"regions": self._regions, "views": self.views, "scenes": scenes}
        how["substitute"] = not (masks or self.strict or self._groups)
        how["kept"] = self.kept_views
        dataset = SaliencyDataset(samples, transform, masks, self.seed, partial=self._groups, **how)
        trainer = self.trainer
        sharing = (trainer.world_size, trainer.accumulate_grad_batches) if trainer else (1, 1)
        return self._loader(dataset, self.process_batch_size(*sharing), training=True)

    def val_dataloader(self) -> list[Loader]:
        """Return one loader per validation dataset; images keep their own size.

        Raises:
            SodError: A dataset is missing, or a mask is missing and ``val_masks`` is set.
        """
        if self.val is not None:
            datasets = self._datasets("val", self.val)
            return [self._eval_loader(d.samples, masks=self.val_masks) for d in datasets]
        if self.train is None or self.val_images == 0:
            return []
        samples = self.train_samples()
        count = min(self.val_images, len(samples))
        chosen = [samples[i * len(samples) // count] for i in range(count)]
        return [self._eval_loader(chosen, masks=False)]

    def test_dataloader(self) -> list[Loader]:
        """Return one loader per test dataset; images and masks keep their own size.

        Raises:
            SodError: A dataset is missing, or one of its images has no mask.
        """
        sets = [share_of(s, self.shard, self._groups) for _, s in self.test_samples()]
        device = self.trainer.strategy.root_device if self.trainer else None
        together = images_together(self.eval_batch_size, device)
        return [self._eval_loader(samples, masks=True, together=together) for samples in sets]

    def test_samples(self) -> list[tuple[str, SampleList]]:
        """Return the name and the samples of each test dataset; a missing one raises a SodError."""
        return [(each.name, each.samples) for each in self._datasets("test", self.test)]

    def variant(
        self,
        train: str,
        size: int | None = None,
        batch_size: int | None = None,
        seed: int | None = None,
    ) -> "SaliencyData":
        """Return a copy that trains on other datasets; its training masks are not read.

        Args:
            train: Datasets to train on, comma-separated.
            size: Side of the training images in pixels. None: unchanged, as for the others.
            batch_size: Training images per batch, counted as before.
            seed: Seed of shuffling and augmentation.
        """
        copy = shallow_copy(self)  # with the views of this one, which all students share
        copy.trainer, copy.train, copy.supervised = None, train, False
        copy._labels = copy._regions = None
        copy.size, copy.batch_size = size or self.size, batch_size or self.batch_size
        copy.seed = self.seed if seed is None else seed
        copy.kept_views = self.kept_views if copy.size == self.size else kept_views(self.features)
        return copy

    def train_on(
        self, labels: Mapping[Path, Path], sureness: Mapping[Path, float] | None = None
    ) -> None:
        """Train on the given masks, for instance pseudo-masks, instead of the datasets' own.

        Args:
            labels: The mask file of each image file; images without an entry are left out.
            sureness: How sure each of them is, or None: equally.
        """
        self._labels, self._sureness = labels, sureness or {}

    def expect_labels(self) -> None:
        """Let a check pass without the masks that :meth:`train_on` will give."""
        self._expects_labels = True

    def draw_regions(self, regions: Regions) -> None:
        """Also draw a region of each training image, in the workers of the loader."""
        self._regions = regions

    def read_groups(self, labelled: int | None = None) -> None:
        """Load whole groups (:mod:`sod.data.groups`), with up to ``labelled`` masks of each."""
        self._groups, self._labelled = True, labelled

    def train_samples(self) -> SampleList:
        """Return the samples of all training datasets.

        Raises:
            SodError: A dataset is missing.
        """
        return joined([split.samples(self._kept) for split in self.train_splits()])

    def train_splits(self) -> list[Split]:
        """Return the training datasets, looked up once: of very many images that takes seconds.

        Raises:
            SodError: A dataset is missing.
        """
        named = (self.root, self.train, self.drop_defects)
        if self._found is None or self._found[0] != named:
            self._found = named, find_splits(self.root, "train", self.train, self.drop_defects)
        return self._found[1]

    def keep_to(self, images: Images) -> None:
        """Train on these images only, in this order, where the datasets are among them."""
        self._kept = images

    def _datasets(self, field: str, names: str | None) -> list[Dataset]:
        """Return the datasets of a comma-separated list; ``field`` is for error messages."""
        if field == "train":
            return [split.dataset for split in self.train_splits()]
        return [each.dataset for each in find_splits(self.root, field, names, self.drop_defects)]

    def _eval_loader(self, samples: Sequence[Sample], masks: bool, together: int = 1) -> Loader:
        size = WorkingSize()
        dataset = SaliencyDataset(samples, size, masks, self.seed, enough=size.size)
        on_error: OnError = "raise" if masks or self.strict else "collect"
        return self._loader(dataset, 1, on_error=on_error, together=together)

    def _loader(self, dataset: SaliencyDataset, batch_size: int, **how: Any) -> Loader:  # noqa: ANN401
        return Loader(
            dataset,
            batch_size,
            workers=self.num_workers,
            replicas=self.trainer.world_size if self.trainer else 1,
            rank=self.trainer.global_rank if self.trainer else 0,
            groups=self._groups,
            **how,
        )
