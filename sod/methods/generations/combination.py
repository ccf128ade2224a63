"""What models say of images, kept on disk: each alone, and all of them together."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytorch_lightning as pl
import torch
from torch import Tensor

from sod.core.distributed import rank_and_count, wait_for_others
from sod.core.errors import SodError
from sod.data.reading import read_image
from sod.data.samples import Sample
from sod.engine.method import Method
from sod.engine.training import BuildTrainer
from sod.evaluation.saved_maps import read_map
from sod.labels.consensus import Combine, combine
from sod.labels.store import LabelStore
from sod.labels.teachers import source_of
from sod.labels.writing import PseudoWriter
from sod.prediction.writers import SourceData
from sod.refine.refinement import Refinement, refine


class Joining(NamedTuple):
    """How maps are joined to a label.

    Args:
        combine: Their mean, weighted by scores, or the best scored.
        power: Of the scores as weights.
        refine: What is done to the result.
        share: Share of the refined map in the result; the rest is the map as it was.
        memory: Share of the first teachers' label, where there is one, in the label.
    """

    combine: Combine
    power: float
    refine: Refinement
    share: float
    memory: float


def ask(
    model: Method,
    samples: Sequence[Sample],
    folder: Path,
    build_trainer: BuildTrainer,
    workers: int | None = None,
) -> tuple[LabelStore, pl.Trainer]:
    """Let all processes together store what a model says of images that it was not asked yet.

    Args:
        model: Who is asked.
        samples: The images; no mask of theirs is opened.
        folder: Of the store.
        build_trainer: Builds the trainer, and so decides on devices and processes.
        workers: Processes that read images, on each device; None: as many as the CPUs suggest.

    Returns:
        The store, complete, and the trainer.

    Raises:
        SodError: An image cannot be read, or the store cannot be written.
    """
    store = LabelStore(folder, source_of(model, "none"))
    writer = PseudoWriter(store, "none")
    trainer = build_trainer([writer], logger=False, enable_checkpointing=False, fast_dev_run=False)
    missing = store.missing(samples)
    wait_for_others()  # nobody writes before all have seen what is missing
    if missing:
        # Every process needs an image: some may be asked of a second time.
        spare = [sample for sample in samples if sample not in missing]
        missing += spare[: max(trainer.world_size - len(missing), 0)]
        data = SourceData(missing, workers)
        trainer.predict(model, datamodule=data, return_predictions=False)
    if writer.failures:
        raise SodError(writer.failures[0])
    wait_for_others()
    store.reload()
    return store, trainer


def join_maps(
    samples: Sequence[Sample],
    stores: Mapping[str, LabelStore],
    scores: Tensor,
    folder: Path,
    how: Joining,
    first: LabelStore | None = None,
) -> LabelStore:
    """Let all processes together store what models say of images together.

    Args:
        samples: The images.
        stores: What each model says of them.
        scores: How good that is, ``[N, M]`` in [0, 1].
        folder: Of the store for the joined maps.
        how: How they are joined.
        first: The labels of the first teachers; they do not know images that joined later.

    Returns:
        The store, complete.
    """
    rank, processes = rank_and_count()
    sources = {name: _source(store, samples[0].name) for name, store in stores.items()}
    described = {"method": "Generations", "members": sources, "how": how._asdict(), "version": 1}
    store = LabelStore(folder, described, rank)
    missing = store.missing(samples, processes)
    wait_for_others()
    rows = {sample.name: row for row, sample in enumerate(samples)}
    for sample in missing:
        label = _joined(sample, stores, scores[rows[sample.name]], how)
        if first is not None and sample.name in first.labels:
            label = how.memory * read_map(first.path(sample.name)) + (1 - how.memory) * label
        store.write(sample, label)
    wait_for_others()
    if rank == 0:
        store.join()
    wait_for_others()
    store.reload()
    return store


def _joined(
    sample: Sample,
    stores: Mapping[str, LabelStore],
    scores: Tensor,
    how: Joining,
) -> Tensor:
    image = torch.from_numpy(read_image(sample.image)).permute(2, 0, 1)[None].float() / 255
    maps = torch.stack([read_map(store.path(sample.name)) for store in stores.values()])
    together = combine(maps[:, None, None], scores[:, None], how.combine, how.power)
    refined = refine(image, together, how.refine)
    return (how.share * refined + (1 - how.share) * together)[0, 0]


def _source(store: LabelStore, name: str) -> Any:  # noqa: ANN401 - primitives
    return store.labels[name].source
