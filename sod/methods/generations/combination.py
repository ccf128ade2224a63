"""The labels of a generation: the combined maps of its members, kept in a store."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from sod.core.distributed import barrier, rank_and_world_size
from sod.data.levels import from_levels
from sod.data.maps import read_map
from sod.data.samples import Sample
from sod.labels.consensus import Combine, combine
from sod.labels.store import LabelStore
from sod.methods.generations.images import ImageCache
from sod.nn.resize import resize
from sod.refinement.kinds import Refinement, refine


class Combination(NamedTuple):
    """How maps are combined to a label.

    Args:
        combine: Their mean, weighted by scores, or the one with the best score.
        power: Exponent of the scores as weights.
        refine: Refinement of the result.
        refined_weight: Weight of the refined map; the unrefined map has the rest.
        teacher_weight: Weight of the first teachers' label, where there is one.
    """

    combine: Combine
    power: float
    refine: Refinement
    refined_weight: float
    teacher_weight: float


def write_combined_labels(
    samples: Sequence[Sample],
    stores: Mapping[str, LabelStore],
    scores: Tensor,
    folder: Path,
    combination: Combination,
    images: ImageCache,
    teacher: LabelStore | None = None,
) -> LabelStore:
    """Let all processes together write the combined maps of the members.

    Args:
        samples: The images.
        stores: The maps of each member.
        scores: Score of each map, ``[N, M]`` in [0, 1].
        folder: Folder of the store for the labels.
        combination: How they are combined.
        images: Provides the images.
        teacher: The labels of the first teachers; it lacks images that were added later.

    Returns:
        The store, complete.
    """
    rank, processes = rank_and_world_size()
    sources = {name: store.labels[samples[0].name].source for name, store in stores.items()}
    settings = combination._asdict()
    source = {"method": "Generations", "members": sources, "combination": settings, "version": 1}
    store = LabelStore(folder, source, rank)
    missing = store.missing(samples, processes)
    barrier()  # nobody writes before all have seen what is missing
    rows = {sample.name: row for row, sample in enumerate(samples)}
    for sample in missing:
        label = _combined(sample, stores, scores[rows[sample.name]], combination, images)
        if teacher is not None and sample.name in teacher.labels:
            own = 1 - combination.teacher_weight
            first = read_map(teacher.path(sample.name))
            label = combination.teacher_weight * first + own * label
        store.write(sample, label)
    barrier()
    if rank == 0:
        store.join()
    barrier()
    store.reload()
    return store


def _combined(
    sample: Sample,
    stores: Mapping[str, LabelStore],
    scores: Tensor,
    combination: Combination,
    images: ImageCache,
) -> Tensor:
    """Return the combined and partly refined map of one image, ``[H, W]``."""
    image = from_levels(images.pixels(sample.image)[None])
    maps = torch.stack([read_map(store.path(sample.name)) for store in stores.values()])
    combined = combine(maps[:, None, None], scores[:, None], combination.combine, combination.power)
    small = resize(combined, (image.shape[-2], image.shape[-1]))  # if the image is very large
    size = (combined.shape[-2], combined.shape[-1])
    refined = resize(refine(image, small, combination.refine), size)
    weight = combination.refined_weight
    return (weight * refined + (1 - weight) * combined)[0, 0]
