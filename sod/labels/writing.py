"""Labelling images: the maps of one or several methods, written into stores by a trainer."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback
from torch import Tensor, nn

from sod.core.distributed import barrier, gather, is_rank_zero
from sod.core.errors import SodError
from sod.core.files import make_folder
from sod.core.locks import locked_folder, remove_stale_lock
from sod.core.memory import NoMemory
from sod.core.shards import WHOLE, Shard
from sod.data.dataset import AnyBatch
from sod.data.groups import whole_groups
from sod.data.samples import Sample
from sod.engine.method import Method
from sod.engine.together import attempt_step
from sod.engine.trainer import BuildTrainer
from sod.labels.store import Encoded, LabelStore
from sod.labels.teachers import describe_source
from sod.prediction.callback import PredictionCallback, refined_maps
from sod.prediction.full_size import own_size
from sod.prediction.sources import SourceData
from sod.refinement.kinds import Refinement

Maps = dict[str, Tensor | list[Tensor]]


@dataclass(frozen=True)
class Written:
    """What labelling gave.

    Args:
        stores: The store of each method, as far as images could be read.
        count: Maps written now, by all processes.
        failures: One line for each image that could not be read.
        device: The device that was used.
    """

    stores: dict[str, LabelStore]
    count: int
    failures: list[str]
    device: torch.device


class Labeller(pl.LightningModule):
    """Predicts the maps of several methods for the same images, which are read once.

    Args:
        methods: By name.
        missing: The names of the samples that each method has to label.
    """

    def __init__(self, methods: Mapping[str, Method], missing: Mapping[str, set[str]]) -> None:
        super().__init__()
        self._methods = dict(methods)
        self.members = nn.ModuleDict(methods)  # so that they are moved to the device
        self.missing = missing

    def predict_step(
        self, batch: AnyBatch, batch_idx: int, dataloader_idx: int = 0
    ) -> Maps | NoMemory | list[Maps | NoMemory]:
        """Return the maps of the methods that a sample of the batch is missing."""
        groups = any(method.reads_groups() for method in self._methods.values())
        return attempt_step(self._maps, batch, divisible=not groups)

    def _maps(self, batch: AnyBatch) -> Maps:
        names = {sample.name for sample in batch["samples"]}
        return {
            name: method.maps(batch["images"])
            for name, method in self._methods.items()
            if names & self.missing[name]
        }


class LabelWriter(PredictionCallback):
    """Writes the maps of a labeller into stores.

    Args:
        stores: By the method's name.
        refinement: Refinement of the maps.
        threads: Threads that refine and compress while the next image is labelled; None: as many as
            suit the CPUs.
        shard: The part of the images that this run labels, beside others.
    """

    def __init__(
        self,
        stores: Mapping[str, LabelStore],
        refinement: Refinement,
        threads: int | None = None,
        shard: Shard = WHOLE,
    ) -> None:
        super().__init__(threads)
        self.shard = shard
        self.stores = stores
        self.refinement: Refinement = refinement
        self.count = 0

    def on_predict_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Give each process a manifest of its own."""
        for store in self.stores.values():
            store.rank = trainer.global_rank * self.shard.total + self.shard.number - 1

    def process(
        self,
        batch: AnyBatch,
        outputs: Any,  # noqa: ANN401
        method: pl.LightningModule,
    ) -> list[tuple[str, Sample, Encoded]]:
        """Refine and compress the maps of one batch."""
        return [
            (name, sample, self.stores[name].encode(sample, own_size(sample, image, map_)))
            for name, maps in outputs.items()
            for sample, image, map_ in refined_maps(batch, maps, self.refinement)
        ]

    def take(self, processed: list[tuple[str, Sample, Encoded]]) -> None:
        """Write the maps of one batch."""
        for name, sample, encoded in processed:
            if not self.stores[name].has(sample):  # a group is predicted whole
                self.stores[name].put(sample, encoded)
                self.count += 1

    def on_predict_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Join what all processes have written."""
        super().on_predict_epoch_end(trainer, pl_module)
        self.count = sum(gather([self.count]))
        if trainer.is_global_zero and self.shard.is_whole:
            for store in self.stores.values():
                store.join()


def write_labels(
    methods: Mapping[str, Method],
    samples: Sequence[Sample],
    folders: Mapping[str, Path],
    build_trainer: BuildTrainer,
    *,
    refinement: Refinement = "none",
    workers: int | None = None,
    callbacks: Sequence[Callback] = (),
    collect_failures: bool = False,
    threads: int | None = None,
    shard: Shard = WHOLE,
    together: int | None = 1,
    **kwargs: Any,  # noqa: ANN401 - Trainer's own arguments
) -> Written:
    """Let all processes together write the maps that are missing in the stores.

    An image is read once for all methods that have to label it. If a method compares the images of
    groups, groups are read whole as soon as one of their maps is missing.

    Args:
        methods: By name.
        samples: The images; their masks are never opened.
        folders: The store of each method.
        build_trainer: Builds the trainer, which decides on devices, processes and precision.
        refinement: Refinement of the maps.
        workers: Worker processes that read images, per device; None: chosen by the CPUs.
        callbacks: Further callbacks of the trainer.
        collect_failures: Return unreadable images in ``failures`` instead of raising.
        threads: Threads that refine and compress; None: chosen by the CPUs.
        shard: The samples are this part of all; other runs may write to the stores at the same
            time, and the manifests are joined by a run for the whole.
        together: Images that are labelled in one step; None: a number that suits the device.
        kwargs: Arguments of the trainer that replace the configured ones.

    Raises:
        SodError: An image cannot be read, a store cannot be written, or another run writes to it.
    """
    stores = {
        name: LabelStore(folders[name], describe_source(method, refinement))
        for name, method in methods.items()
    }
    missing = {
        name: {sample.name for sample in store.missing(samples)} for name, store in stores.items()
    }
    writer = LabelWriter(stores, refinement, threads, shard)
    trainer = build_trainer(
        [writer, *callbacks], logger=False, enable_checkpointing=False, fast_dev_run=False, **kwargs
    )
    barrier()  # nobody writes before all have seen what is missing
    groups = any(method.reads_groups() for method in methods.values())
    wanted = _wanted(samples, set().union(*missing.values()), groups)
    if wanted:
        data = SourceData(wanted, workers, groups, together=together)
        with _locked(stores, shard):
            trainer.predict(Labeller(methods, missing), datamodule=data, return_predictions=False)
    elif is_rank_zero() and shard.is_whole:
        for store in stores.values():
            remove_stale_lock(store.folder)
            store.join()  # a run that was killed before may have left parts
    if writer.failures and not collect_failures:
        raise SodError(writer.failures[0])
    barrier()
    for store in stores.values():
        store.reload()
    return Written(stores, writer.count, writer.failures, trainer.strategy.root_device)


@contextmanager
def _locked(stores: Mapping[str, LabelStore], shard: Shard) -> Iterator[None]:
    """Keep other runs out of the stores while this one writes; the runs of shards share them."""
    with ExitStack() as locks:
        if is_rank_zero() and shard.is_whole:
            for store in stores.values():
                folder = make_folder(str(store.folder), "labels.store")
                locks.enter_context(locked_folder(folder, "labels.store"))
        yield


def _wanted(samples: Sequence[Sample], missing: set[str], groups: bool) -> list[Sample]:
    """Return the samples that lack a map, or the whole groups of these."""
    wanted = [sample for sample in samples if sample.name in missing]
    return whole_groups(samples, wanted) if groups else wanted
