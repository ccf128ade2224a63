"""Training of one student on pseudo-masks, in a folder of its own."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytorch_lightning as pl

from sod.core.distributed import barrier
from sod.core.errors import SodError
from sod.core.seed import fold_seed
from sod.engine.checkpoint import load_checkpoint, read_checkpoint, write_weights
from sod.engine.restoring import steps_of
from sod.engine.trainer import effective_batch, training_trainer
from sod.engine.training import Training
from sod.labels.learner import LabelLearner
from sod.methods.generations.labelling import Labelled
from sod.methods.generations.students import StudentConfig

if TYPE_CHECKING:
    from sod.methods.generations.ensemble import Generations


@dataclass(frozen=True)
class Lesson:
    """What one student learns, and where.

    Args:
        config: The student.
        place: Its folder; ``student.ckpt`` there is the trained one.
        datasets: Names of the datasets of the images, joined by commas.
        labelled: Pseudo-masks of the images.
        selected: Those that are trained on, with their scores.
        seed: Decides everything that is random.
    """

    config: StudentConfig
    place: Path
    datasets: str
    labelled: Labelled
    selected: Mapping[str, float]
    seed: int


class StudentTraining:
    """Trains students; what is on disk is loaded instead.

    Args:
        method: Builds the students.
        training: Data, options and a builder of trainers.
    """

    def __init__(self, method: "Generations", training: Training) -> None:
        self.method, self.training = method, training
        self.fast_dev_run = False

    def run(self, lesson: Lesson) -> LabelLearner:
        """Train a student from scratch, continue its training, or load it.

        Raises:
            SodError: The configured method is not trained on pseudo-masks.
        """
        pl.seed_everything(lesson.seed, verbose=False)
        config = lesson.config
        student = self.method.build_student(config)
        if not isinstance(student, LabelLearner):
            raise SodError(f"students: {config.name} is a {config.method}, no label learner")
        trained = lesson.place / "student.ckpt"
        if not trained.is_file():
            self._fit(student, lesson)
        barrier()
        load_checkpoint(student, str(trained))
        return student.eval()

    def _fit(self, student: LabelLearner, lesson: Lesson) -> None:
        """Train a student in its folder, from its last checkpoint if there is one."""
        config, place, labelled = lesson.config, lesson.place, lesson.labelled
        seed = fold_seed(self.training.data.seed + lesson.seed)
        data = self.training.data.variant(lesson.datasets, config.size, config.batch_size, seed)
        student.use_labels(data, labelled.samples, labelled.labels, lesson.selected)
        steps = {} if config.max_steps is None else {"max_steps": config.max_steps}
        last = place / "last.ckpt"
        resume = str(last) if last.is_file() else None
        done = steps_of(read_checkpoint(last), resume) if resume else 0
        options, report = self.training.options, self.training.report
        trainer = training_trainer(
            student, data, place, self.training.build_trainer, options, report, done, **steps
        )
        report(f"{config.name}: {effective_batch(trainer, data)}")
        self.fast_dev_run = bool(getattr(trainer, "fast_dev_run", False))
        barrier()
        trainer.fit(student, data, ckpt_path=resume, weights_only=True)
        write_weights(student, place / "student.ckpt", lesson.datasets)
