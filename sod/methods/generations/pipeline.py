"""The training of all generations. What is on disk is not computed again.

RUN/pipeline.json                    configuration of the run, another one is rejected; its format
                                     number is that of all files below
RUN/gen0/maps/TEACHER, labels        maps of the first teachers, alone and combined
RUN/genN/selection.jsonl             which of these labels generation N is trained on, with reasons
RUN/genN/students/NAME/student.ckpt  each student, when it is trained
RUN/genN/maps/NAME, labels           maps of the students; combined maps of the ensemble
RUN/genN/quality.ckpt, ensemble.ckpt the quality network; the ensemble as one method
RUN/genN/report.json                 label-free figures of the generation
RUN/generations.png, last.ckpt       pictures of all generations; the last ensemble
RUN/distilled                        one network trained on the last labels, if it is configured
RUN/student.ckpt, .safetensors       that network: a checkpoint, and an exported model
"""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sod.core.distributed import barrier, is_rank_zero
from sod.core.seed import fold_seed
from sod.data.transforms import Augmentation
from sod.engine.checkpoint import write_weights
from sod.engine.method import Method
from sod.engine.model_file import write_model
from sod.engine.trainer import effective_batch
from sod.engine.training import Training
from sod.labels.selection import select
from sod.methods.generations.labelling import Labelled, Labelling
from sod.methods.generations.members import ensemble_members
from sod.methods.generations.records import (
    check_record,
    read_selection,
    write_report,
    write_selection,
    write_teachers,
)
from sod.methods.generations.student_training import Lesson, StudentTraining
from sod.methods.generations.students import StudentConfig

if TYPE_CHECKING:
    from sod.methods.generations.ensemble import Generations

DISTILLED = 99_999
"""Offset of the distilled student's seed, which no student of a generation has."""

Trained = dict[int, dict[str, Method]]
"""The students of each generation by name; the first teachers in 0."""


def check_batches(method: "Generations", training: Training) -> None:
    """Check that the batch of each student can be shared by the processes.

    Raises:
        SodError: One cannot.
    """
    trainer = training.build_trainer([])
    for student in [*method.students, *filter(None, [method.distilled])]:
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
        self.students = StudentTraining(method, training)
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
        self._distil(labelled)
        write_weights(self.method, self.folder / "last.ckpt", self.data.train)
        return self.folder / "last.ckpt"

    def _check_configuration(self) -> None:
        """Record the configuration of the run, or reject a folder of another one."""
        arguments = self.method.arguments()
        for name in ("generations", "distilled"):  # may be added later
            del arguments[name]
        data = {
            "train": self.data.train,
            "size": self.data.size,
            "batch_size": self.data.batch_size,
            "augmentation": _stated(self.data.augmentation),
        }
        if self.data.batch_size_per != "process":  # left out of older records
            data["batch_size_per"] = self.data.batch_size_per
        check_record(self.folder, {"method": arguments, "data": data, "seed": self.seed})

    def _select(
        self, number: int, labelled: Labelled, place: Path | None = None
    ) -> dict[str, float]:
        """Return name and score of the labels that a generation is trained on."""
        path = (place or self._place(number)) / "selection.jsonl"
        if is_rank_zero() and not path.is_file():
            config = self.method.selection.of_generation(number)
            candidates = self.labelling.candidates(labelled, config, self.seed * 1000 + number)
            write_selection(path, select(candidates, config))
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
        """Train a student of a generation."""
        place = self._place(number) / "students" / config.name
        seed = fold_seed(self.seed * 1000 + number * 100 + index)
        datasets = self._datasets(number)
        return self.students.run(Lesson(config, place, datasets, labelled, selected, seed))

    def _distil(self, labelled: Labelled) -> None:
        """Train one network on the last ensemble's labels, and write it as ``student.ckpt``."""
        config, place = self.method.distilled, self.folder / "distilled"
        if config is None:
            return
        last = self.method.generations
        selected = self._select(last + 1, labelled, place)
        datasets, seed = self._datasets(last), fold_seed(self.seed * 1000 + DISTILLED)
        student = self.students.run(Lesson(config, place, datasets, labelled, selected, seed))
        write_weights(student, self.folder / "student.ckpt", self.data.train)
        if is_rank_zero():
            write_model(student.portable(), self.folder / "student.safetensors")

    def _label(self, number: int, trained: Trained, trained_on: int | None) -> Labelled:
        """Label the images that the next generation is trained on, and report on the labels."""
        upcoming = min(number + 1, self.method.generations)
        samples = self.data.variant(self._datasets(upcoming)).train_samples()
        members = ensemble_members(trained, number, self.method.keep_previous_students)
        labelled = self.labelling.label(number, members, samples, self.students.fast_dev_run)
        if is_rank_zero():
            first = self.data.variant(self._datasets(1)).train_samples()
            stores = self.labelling.labels.values()
            shown = [s for s in first if all(s.name in store.labels for store in stores)]
            write_report(self.folder, number, trained_on, labelled, shown, self.labelling.labels)
        if number:
            write_weights(self.method, self._place(number) / "ensemble.ckpt", self.data.train)
        return labelled

    def _datasets(self, number: int) -> str:
        """Return the datasets whose images a generation is trained on."""
        return ",".join([str(self.data.train), *filter(None, self.method.more_data[:number])])

    def _place(self, number: int) -> Path:
        return self.folder / f"gen{number}"


def _stated(augmentation: Augmentation) -> dict[str, Any]:
    """Return the augmentation; options that older records lack are left out at their defaults."""
    unset = asdict(Augmentation())
    later = ("paste", "paste_area", "paste_most", "mix", "empty", "donors")
    options = asdict(augmentation)
    return {k: v for k, v in options.items() if k not in later or v != unset[k]}
