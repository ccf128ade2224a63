"""The labelling of images by one generation: member maps, quality network, combined labels."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from sod.core.distributed import barrier, is_rank_zero
from sod.core.tensors import load_state
from sod.data.levels import from_levels
from sod.data.samples import Sample
from sod.engine.checkpoint import AtomicCheckpointIO
from sod.engine.monitors import foreground_shares
from sod.engine.training import Training
from sod.labels.estimates import estimated
from sod.labels.selection import ESTIMATES, Candidate, SelectionConfig
from sod.labels.skipping import report_failures, without_unreadable
from sod.labels.store import LabelStore, complete_store
from sod.labels.writing import write_labels
from sod.methods.generations.combination import Combination, write_combined_labels
from sod.methods.generations.images import ImageCache
from sod.methods.generations.members import Member
from sod.methods.generations.quality import (
    Thumbnails,
    quality_scores,
    read_thumbnails,
    train_quality_network,
)
from sod.nn.backbones.build import build_backbone
from sod.nn.backbones.vit import share_backbones
from sod.nn.decoders.quality import QualityNetwork

if TYPE_CHECKING:
    from sod.methods.generations.ensemble import Generations


class Labelled(NamedTuple):
    """The images that one generation has labelled for the next.

    Args:
        samples: The images.
        labels: Their pseudo-masks.
        candidates: What is known of these.
        agreements: Mean agreement of each ensemble member with the others, by name.
    """

    samples: Sequence[Sample]
    labels: LabelStore
    candidates: list[Candidate]
    agreements: dict[str, float]


class Labelling:
    """Labels images with the ensembles of a run.

    Args:
        method: The configuration; it gets the members and the quality network of each generation.
        training: Data, folder and a builder of trainers.
        seed: Seed of the run.

    Attributes:
        labels: The labels of all generations so far, ``generation N``.
    """

    def __init__(self, method: "Generations", training: Training, seed: int) -> None:
        self.method, self.training, self.seed = method, training, seed
        self.labels: dict[str, LabelStore] = {}
        self._images = ImageCache(method.quality_config.size)
        self._device = torch.device("cpu")

    def label(
        self, number: int, members: Sequence[Member], samples: Sequence[Sample], fast_dev_run: bool
    ) -> Labelled:
        """Label images, for the next generation to be trained on.

        Args:
            number: The generation.
            members: Its ensemble.
            samples: The images.
            fast_dev_run: Train the quality network for one step only, as the students were.
        """
        stores = self._member_maps(number, members, samples)
        if not self.training.data.strict:
            samples = [s for s in samples if all(s.name in x.labels for x in stores.values())]
        thumbnails = read_thumbnails(samples, stores, self._images)
        agreement = scores = thumbnails.agreement()
        if number:
            network = self._quality_network(number, thumbnails, fast_dev_run)
            self.method.set_members({m.name: m.model for m in members}, network)
            scores = quality_scores(network, thumbnails)
        labels = self._combined_labels(number, samples, stores, scores)
        candidates = self._candidates(number, samples, labels, agreement.mean(1))
        agreements = dict(zip(stores, agreement.mean(0).tolist(), strict=True))
        return Labelled(samples, labels, candidates, agreements)

    def candidates(self, labelled: Labelled, config: SelectionConfig, seed: int) -> list[Candidate]:
        """Return what selection may know of each label, with the estimate it ranks by, if any.

        Args:
            labelled: The images and their labels.
            config: The rules of the selection.
            seed: Seed of a learned estimate.
        """
        if config.score not in ESTIMATES:
            return labelled.candidates
        backbone = build_backbone(self.method.config).to(self._device)
        return estimated(
            labelled.candidates,
            config,
            labelled.samples,
            labelled.labels,
            backbone,
            seed,
            self._images.pixels,
        )

    def _member_maps(
        self, number: int, members: Sequence[Member], samples: Sequence[Sample]
    ) -> dict[str, LabelStore]:
        """Return the stores with each member's maps, written where they are missing."""
        given = self.method.teacher_stores() if number == 0 else {}
        if not self.training.data.strict:
            for path in given.values():
                samples = without_unreadable(path, samples, self.training.report)
        stores = {name: complete_store(path, samples) for name, path in given.items()}
        if not members:
            return stores
        if number:
            share_backbones(member.model for member in members)
        written = write_labels(
            {member.name: member.model for member in members},
            samples,
            {m.name: self._place(m.generation) / "maps" / m.student for m in members},
            self.training.build_trainer,
            workers=self.training.data.configured_workers,
            callbacks=[self._images],
            collect_failures=not self.training.data.strict,
        )
        report_failures(written.failures, self.training.report)
        self._device = written.device
        return stores | written.stores

    def _quality_network(
        self, number: int, thumbnails: Thumbnails, fast_dev_run: bool
    ) -> QualityNetwork:
        """Train the quality network of a generation, or load it."""
        path = self._place(number) / "quality.ckpt"
        config = self.method.quality_config
        if is_rank_zero() and not path.is_file():
            wanted = replace(config, steps=1) if fast_dev_run else config
            seed = self.seed * 1000 + number
            network = train_quality_network(thumbnails, wanted, seed, self._device)
            state = {name: value.cpu() for name, value in network.state_dict().items()}
            AtomicCheckpointIO().save_checkpoint(state, path)
        barrier()
        network = QualityNetwork(config)
        load_state(network, path)
        return network.eval()

    def _combined_labels(
        self,
        number: int,
        samples: Sequence[Sample],
        stores: Mapping[str, LabelStore],
        scores: Tensor,
    ) -> LabelStore:
        """Return the labels of a generation, written where they are missing."""
        method = self.method
        teacher = self.labels.get("generation 0")
        # Labels of the first teachers are wholly refined.
        weights = (method.refined_weight, method.teacher_weight) if teacher else (1.0, 0.0)
        combination = Combination(method.combine, method.power, method.refine, *weights)
        folder = self._place(number) / "labels"
        labels = write_combined_labels(
            samples, stores, scores, folder, combination, self._images, teacher
        )
        self.labels[f"generation {number}"] = labels
        return labels

    def _candidates(
        self, number: int, samples: Sequence[Sample], labels: LabelStore, agreement: Tensor
    ) -> list[Candidate]:
        """Return what selection may know of each label."""
        thumbnails = read_thumbnails(samples, {"labels": labels}, self._images)
        borders = foreground_shares(from_levels(thumbnails.maps))["border"]
        quality = agreement
        if number:
            quality = quality_scores(self.method.quality_network, thumbnails)[:, 0]
        return [
            Candidate.of(labels.labels[sample.name])._replace(
                border=float(borders[row]),
                agreement=float(agreement[row]),
                quality=float(quality[row]),
            )
            for row, sample in enumerate(samples)
        ]

    def _place(self, number: int) -> Path:
        return self.training.folder / f"gen{number}"
