"""One training of all generations: each step is done once, and what is on disk is not done again.

RUN/course.json                      what the run is of; another configuration is refused
RUN/gen0/maps/TEACHER, labels        what the first teachers say, alone and together
RUN/genN/selection.jsonl             which of these labels generation N learns from; why not
RUN/genN/students/NAME/student.ckpt  each student, once it has learnt
RUN/genN/maps/NAME, labels           what the students say; what those of all generations so far
                                     say together
RUN/genN/evalseg.ckpt, ensemble.ckpt the selection network; the whole generation as one method
RUN/genN/report.json                 what can be said of it without a mask
RUN/generations.png, last.ckpt       pictures through the generations; the last generation
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, NamedTuple

import pytorch_lightning as pl
import torch
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter

from sod.core.distributed import rank_and_count, wait_for_others
from sod.core.errors import SodError
from sod.data.datamodule import SaliencyData
from sod.data.samples import Sample
from sod.engine.checkpoint import AtomicCheckpointIO, load_weights
from sod.engine.method import Method
from sod.engine.monitors import foreground_shares
from sod.engine.training import BuildTrainer, FitOptions, trainer_of
from sod.labels.learner import LabelLearner
from sod.labels.selection import Candidate, choose
from sod.labels.store import LabelStore
from sod.labels.teachers import complete_store
from sod.methods.generations.ensemble import Generations, StudentConfig
from sod.methods.generations.combination import Joining, ask, join_maps
from sod.methods.generations.members import Voice, voices_of
from sod.methods.generations.quality import Thumbnails, evalseg_scores, thumbnails, train_evalseg
from sod.methods.generations.records import (
    draw_generations,
    read_selection,
    summary,
    write_selection,
    write_teachers,
    write_text,
)
from sod.nn.decoders.quality import EvalSegNet


class Taught(NamedTuple):
    """What one generation teaches the next.

    Args:
        samples: The images that it labelled.
        labels: Their pseudo-masks.
        candidates: What is known of these.
    """

    samples: list[Sample]
    labels: LabelStore
    candidates: list[Candidate]


class Course:
    """Makes the generations of a method.

    Args:
        method: What is configured; in the end it holds the last generation.
        data: The images; their masks are never opened.
        folder: Of the run.
        build_trainer: Builds the trainer of each step.
        options: What students write while they learn.
        seed: Decides, with the generation and the student, everything that is random.

    Raises:
        SodError: The folder holds the run of another configuration.
    """

    def __init__(
        self,
        method: Generations,
        data: SaliencyData,
        folder: Path,
        build_trainer: BuildTrainer,
        options: FitOptions,
        seed: int,
    ) -> None:
        self.method, self.data, self.folder = method, data, folder
        self.build_trainer, self.options, self.seed = build_trainer, options, seed
        self.device = torch.device("cpu")
        self.hasty = False
        self._stores: dict[str, LabelStore] = {}
        self._claim()

    def run(self) -> Path:
        """Make all generations, or those that are still missing; return the last one's file."""
        graduates: dict[int, dict[str, Method]] = {0: self.method.first_teachers()}
        if self._first:
            write_teachers(self._place(0), graduates[0], self.method.teachers)
        stores = self.method.teacher_stores()
        taught = self._teach(0, graduates, None, stores)
        for number in range(1, self.method.generations + 1):
            chosen = self._select(number, taught)
            graduates[number] = {
                student.name: self._student(number, index, student, taught, chosen)
                for index, student in enumerate(self.method.plan)
            }
            taught = self._teach(number, graduates, chosen)
        return self._graduates(self.folder / "last.ckpt")

    def _claim(self) -> None:
        """Write what the run is of, or refuse a folder that is of something else."""
        arguments = self.method.arguments()
        del arguments["generations"]  # more of them may follow later
        seen = {
            "train": self.data.train,
            "size": self.data.size,
            "batch_size": self.data.batch_size,
            "augmentation": asdict(self.data.augmentation),
        }
        text = json.dumps({"method": arguments, "data": seen, "seed": self.seed}, indent=2)
        path = self.folder / "course.json"
        if path.is_file() and path.read_text(encoding="utf-8") != text:
            raise SodError(
                f"--out {self.folder}: holds the generations of another configuration (course.json)"
                ": give another folder, or the same configuration to go on."
            )
        if self._first:
            write_text(path, text)

    def _select(self, number: int, taught: Taught) -> dict[str, float]:
        """Return name and score of the labels that a generation learns from."""
        path = self._place(number) / "selection.jsonl"
        if self._first and not path.is_file():
            write_selection(path, choose(taught.candidates, self.method.selection.at(number)))
        wait_for_others()
        return read_selection(path)

    def _student(
        self,
        number: int,
        index: int,
        config: StudentConfig,
        taught: Taught,
        chosen: Mapping[str, float],
    ) -> Method:
        """Train a student from scratch, go on where its training was cut off, or read it."""
        seed = self.seed * 1000 + number * 100 + index
        pl.seed_everything(seed, verbose=False)
        student = self.method.build_student(config)
        if not isinstance(student, LabelLearner):
            raise SodError(f"students: {config.name} is a {config.method}, no label learner")
        place = self._place(number) / "students" / config.name
        done = place / "student.ckpt"
        if not done.is_file():
            data = self.data.variant(
                self._names(number), config.size, config.batch_size, self.data.seed + seed
            )
            files = {sample.image: taught.labels.path(sample.name) for sample in taught.samples}
            student.learn_from(data, files, chosen)
            own = {} if config.max_steps is None else {"max_steps": config.max_steps}
            trainer = trainer_of(student, data, place, self.build_trainer, self.options, **own)
            self.hasty = bool(getattr(trainer, "fast_dev_run", False))
            last = place / "last.ckpt"
            resume = str(last) if last.is_file() else None
            wait_for_others()
            trainer.fit(student, data, ckpt_path=resume, weights_only=True)
            trainer.save_checkpoint(done, weights_only=True)
        wait_for_others()
        load_weights(student, str(done))
        return student.eval()

    def _teach(
        self,
        number: int,
        graduates: Mapping[int, Mapping[str, Method]],
        chosen: Mapping[str, float] | None,
        given: Mapping[str, str] | None = None,
    ) -> Taught:
        """Have images labelled by a generation, for the next one to learn from."""
        place, method = self._place(number), self.method
        upcoming = min(number + 1, method.generations)
        samples = self.data.variant(self._names(upcoming)).train_samples()
        stores = {name: complete_store(path, samples) for name, path in (given or {}).items()}
        voices = voices_of(graduates, number, method.alumni)
        stores |= {voice.name: self._ask(voice, samples) for voice in voices}
        seen = thumbnails(samples, stores, method.evalseg_config.size)
        agreement = seen.agreement()
        if number:
            method.graduate({v.name: v.model for v in voices}, self._evalseg(number, seen))
        scores = evalseg_scores(method.evalseg, seen) if number else agreement
        first = self._stores.get("generation 0")
        share, memory = (1.0, 0.0) if first is None else (method.share, method.memory)
        how = Joining(method.combine, method.power, method.refine, share, memory)
        labels = join_maps(samples, stores, scores, place / "labels", how, first)
        self._stores[f"generation {number}"] = labels
        label_maps = thumbnails(samples, {"labels": labels}, method.evalseg_config.size)
        candidates = self._candidates(number, samples, labels, label_maps, seen)
        self._report(number, candidates, agreement, list(stores), chosen)
        if number:
            self._graduates(place / "ensemble.ckpt")
        return Taught(samples, labels, candidates)

    def _ask(self, voice: Voice, samples: Sequence[Sample]) -> LabelStore:
        folder = self._place(voice.generation) / "maps" / voice.student
        workers = self.data.configured_workers
        store, trainer = ask(voice.model, samples, folder, self.build_trainer, workers)
        self.device = trainer.strategy.root_device
        return store

    def _evalseg(self, number: int, seen: Thumbnails) -> EvalSegNet:
        """Train the selection network of a generation, or read it."""
        path = self._place(number) / "evalseg.ckpt"
        config = self.method.evalseg_config
        if self._first and not path.is_file():
            # With fast_dev_run every student takes a single step, and so does this network.
            wanted = replace(config, steps=1) if self.hasty else config
            network = train_evalseg(seen, wanted, self.seed * 1000 + number, self.device)
            state = {name: value.cpu() for name, value in network.state_dict().items()}
            AtomicCheckpointIO().save_checkpoint(state, path)
        wait_for_others()
        network = EvalSegNet(config)
        network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
        return network.eval()

    def _candidates(
        self,
        number: int,
        samples: Sequence[Sample],
        labels: LabelStore,
        label_maps: Thumbnails,
        seen: Thumbnails,
    ) -> list[Candidate]:
        """Say of each label what selection may know."""
        borders = foreground_shares(label_maps.maps.float() / 255)["border"]
        agreement = seen.agreement().mean(1)
        opinion = evalseg_scores(self.method.evalseg, label_maps)[:, 0] if number else agreement
        return [
            Candidate(
                sample.name,
                labels.labels[sample.name].score,
                labels.labels[sample.name].area,
                float(borders[row]),
                float(agreement[row]),
                float(opinion[row]),
            )
            for row, sample in enumerate(samples)
        ]

    def _report(
        self,
        number: int,
        candidates: Sequence[Candidate],
        agreement: Tensor,
        members: Sequence[str],
        chosen: Mapping[str, float] | None,
    ) -> None:
        """Write and show what can be said of a generation without a mask."""
        if not self._first:
            return
        agreed = dict(zip(members, agreement.mean(0).tolist(), strict=True))
        report: dict[str, Any] = {
            "generation": number,
            "images": len(candidates),
            "learnt_from": None if chosen is None else len(chosen),
            "labels": summary(candidates),
            "agreement": {name: round(value, 4) for name, value in agreed.items()},
        }
        write_text(self._place(number) / "report.json", json.dumps(report, indent=2) + "\n")
        samples = self.data.variant(self._names(1)).train_samples()
        grid = draw_generations(self.folder / "generations.png", samples, self._stores)
        with SummaryWriter(self.folder / "tensorboard") as writer:
            for name, value in {**report["labels"], **report["agreement"]}.items():
                writer.add_scalar(f"generations/{name}", value, number)
            writer.add_image("generations", grid, number)

    def _graduates(self, path: Path) -> Path:
        """Write the generation that the method holds now."""
        checkpoint: dict[str, Any] = {"state_dict": self.method.state_dict()}
        self.method.on_save_checkpoint(checkpoint)
        checkpoint["trained_on"] = self.data.train
        if self._first:
            AtomicCheckpointIO().save_checkpoint(checkpoint, path)
        wait_for_others()
        return path

    def _names(self, number: int) -> str:
        """Return the datasets whose images a generation learns from."""
        return ",".join([str(self.data.train), *filter(None, self.method.more[:number])])

    def _place(self, number: int) -> Path:
        return self.folder / f"gen{number}"

    @property
    def _first(self) -> bool:
        return rank_and_count()[0] == 0
