"""The training of all generations. What is on disk is not computed again.

RUN/pipeline.json                    configuration of the run; another one is rejected
RUN/gen0/maps/TEACHER, labels        maps of the first teachers, alone and combined
RUN/genN/selection.jsonl             which of these labels generation N is trained on, with reasons
RUN/genN/students/NAME/student.ckpt  each student, when it is trained
RUN/genN/maps/NAME, labels           maps of the students; combined maps of the ensemble
RUN/genN/quality.ckpt, ensemble.ckpt the quality network; the ensemble as one method
RUN/genN/report.json                 label-free figures of the generation
RUN/generations.png, last.ckpt       pictures of all generations; the last ensemble
"""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import pytorch_lightning as pl

from sod.core.distributed import barrier, is_rank_zero
from sod.core.errors import SodError
from sod.core.files import write_text
from sod.core.reading import read_text
from sod.core.seed import fold_seed
from sod.engine.checkpoint import (
    AtomicCheckpointIO,
    checkpoint_of,
    load_checkpoint,
    read_checkpoint,
)
from sod.engine.method import Method
from sod.engine.trainer import effective_batch, training_trainer
from sod.engine.training import Training
from sod.labels.learner import LabelLearner
from sod.labels.selection import select
from sod.methods.generations.labelling import Labelled, Labelling
from sod.methods.generations.members import ensemble_members
from sod.methods.generations.records import (
    read_selection,
    write_report,
    write_selection,
    write_teachers,
)
from sod.methods.generations.students import StudentConfig

if TYPE_CHECKING:
    from sod.methods.generations.ensemble import Generations

Trained = dict[int, dict[str, Method]]
"""The students of each generation by name; the first teachers in 0."""


def check_batches(method: "Generations", training: Training) -> None:
    """Check that the batch of each student can be shared by the processes.

    Raises:
        SodError: One cannot.
    """
    trainer = training.build_trainer([])
    for student in method.students:
        data = training.data.variant(str(training.data.train), batch_size=student.batch_size)
        effective_batch(trainer, data)


class Pipeline:
    """Trains the generations of a method.

    Args:
        method: The configuration; in the end it holds the last ensemble.
        training: Data, folder, options and a builder of trainers; masks are never opened.
        seed: Decides, with generation and student, everything that is random.

    Raises:
        SodError: The folder holds the run of another configuration.
    """

    def __init__(self, method: "Generations", training: Training, seed: int) -> None:
        self.method, self.training, self.seed = method, training, seed
        self.data = training.data
        self.folder = training.folder
        self.labelling = Labelling(method, training, seed)
        self.fast_dev_run = False
        self._check_configuration()

    def run(self) -> Path:
        """Train the generations that are missing; return the checkpoint of the last one."""
        trained: Trained = {0: self.method.first_teachers()}
        if is_rank_zero():
            write_teachers(self._place(0), trained[0], self.method.teachers)
        labelled = self._label(0, trained, None)
        for number in range(1, self.method.generations + 1):
            selected = self._select(number, labelled)
            trained[number] = {
                student.name: self._train(number, index, student, labelled, selected)
                for index, student in enumerate(self.method.students)
            }
            labelled = self._label(number, trained, len(selected))
        return self._save_ensemble(self.folder / "last.ckpt")

    def _check_configuration(self) -> None:
        """Record the configuration of the run, or reject a folder of another one."""
        arguments = self.method.arguments()
        del arguments["generations"]  # more of them may be added later
        data = {
            "train": self.data.train,
            "size": self.data.size,
            "batch_size": self.data.batch_size,
            "augmentation": asdict(self.data.augmentation),
        }
        if self.data.batch_size_per != "process":  # left out of older records
            data["batch_size_per"] = self.data.batch_size_per
        text = json.dumps({"method": arguments, "data": data, "seed": self.seed}, indent=2)
        path = self.folder / "pipeline.json"
        if path.is_file() and read_text(path, "give another --out") != text:
            raise SodError(
                f"--out {self.folder}: holds the generations of another configuration "
                "(pipeline.json): give another folder, or the same configuration to continue."
            )
        if is_rank_zero():
            write_text(path, text)

    def _select(self, number: int, labelled: Labelled) -> dict[str, float]:
        """Return name and score of the labels that a generation is trained on."""
        path = self._place(number) / "selection.jsonl"
        if is_rank_zero() and not path.is_file():
            config = self.method.selection.of_generation(number)
            write_selection(path, select(labelled.candidates, config))
        barrier()
        return read_selection(path)

    def _train(
        self,
        number: int,
        index: int,
        config: StudentConfig,
        labelled: Labelled,
        selected: Mapping[str, float],
    ) -> Method:
        """Train a student from scratch, continue its training, or load it."""
        seed = fold_seed(self.seed * 1000 + number * 100 + index)
        pl.seed_everything(seed, verbose=False)
        student = self.method.build_student(config)
        if not isinstance(student, LabelLearner):
            raise SodError(f"students: {config.name} is a {config.method}, no label learner")
        place = self._place(number) / "students" / config.name
        if not (place / "student.ckpt").is_file():
            self._fit(student, place, config, number, seed, labelled, selected)
        barrier()
        load_checkpoint(student, str(place / "student.ckpt"))
        return student.eval()

    def _fit(
        self,
        student: LabelLearner,
        place: Path,
        config: StudentConfig,
        number: int,
        seed: int,
        labelled: Labelled,
        selected: Mapping[str, float],
    ) -> None:
        """Train a student in its folder, from its last checkpoint if there is one."""
        seed = fold_seed(self.data.seed + seed)
        data = self.data.variant(self._datasets(number), config.size, config.batch_size, seed)
        student.use_labels(data, labelled.samples, labelled.labels, selected)
        steps = {} if config.max_steps is None else {"max_steps": config.max_steps}
        last = place / "last.ckpt"
        resume = str(last) if last.is_file() else None
        done = int(read_checkpoint(last)["global_step"]) if resume else 0
        options, report = self.training.options, self.training.report
        trainer = training_trainer(
            student, data, place, self.training.build_trainer, options, report, done, **steps
        )
        self.training.report(f"{config.name}: {effective_batch(trainer, data)}")
        self.fast_dev_run = bool(getattr(trainer, "fast_dev_run", False))
        barrier()
        trainer.fit(student, data, ckpt_path=resume, weights_only=True)
        trainer.save_checkpoint(place / "student.ckpt", weights_only=True)

    def _label(self, number: int, trained: Trained, trained_on: int | None) -> Labelled:
        """Label the images that the next generation is trained on, and report on the labels."""
        upcoming = min(number + 1, self.method.generations)
        samples = self.data.variant(self._datasets(upcoming)).train_samples()
        members = ensemble_members(trained, number, self.method.keep_previous_students)
        labelled = self.labelling.label(number, members, samples, self.fast_dev_run)
        if is_rank_zero():
            first = self.data.variant(self._datasets(1)).train_samples()
            stores = self.labelling.labels.values()
            shown = [s for s in first if all(s.name in store.labels for store in stores)]
            write_report(self.folder, number, trained_on, labelled, shown, self.labelling.labels)
        if number:
            self._save_ensemble(self._place(number) / "ensemble.ckpt")
        return labelled

    def _save_ensemble(self, path: Path) -> Path:
        """Write the ensemble that the method holds now."""
        checkpoint = checkpoint_of(self.method) | {"trained_on": self.data.train}
        if is_rank_zero():
            AtomicCheckpointIO().save_checkpoint(checkpoint, path)
        barrier()
        return path

    def _datasets(self, number: int) -> str:
        """Return the datasets whose images a generation is trained on."""
        return ",".join([str(self.data.train), *filter(None, self.method.more_data[:number])])

    def _place(self, number: int) -> Path:
        return self.folder / f"gen{number}"
