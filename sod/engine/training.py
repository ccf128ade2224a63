"""One training run, as the command line describes it."""

import json
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import pytorch_lightning as pl

from sod.core.distributed import decide_on_rank_zero, is_distributed, is_rank_zero
from sod.core.errors import SodError
from sod.core.files import make_folder
from sod.core.locks import locked_folder
from sod.data.datamodule import SaliencyData
from sod.engine.checkpoint import load_checkpoint, read_checkpoint
from sod.engine.log import quiet_writer
from sod.engine.method import Method
from sod.engine.restoring import steps_of
from sod.engine.run_folder import CONFIG, RunPlan, check_same_run, clear_run, holds_run
from sod.engine.run_images import changed, files_of, read_images, write_images
from sod.engine.trainer import (
    BuildTrainer,
    FitOptions,
    check_best,
    effective_batch,
    training_trainer,
)
from sod.refinement.calibration import NONE

RUN = "SOD_RUN"
"""Environment variable with the plan of the run, for the processes that the first one starts."""


@dataclass
class Training:
    """A training run as the command line describes it.

    Args:
        name: The method's name, for the default folder.
        data: What is trained on.
        build_trainer: Builds a trainer of the configuration.
        options: What is written, and when it stops.
        out: Folder of the run; None: ``runs/NAME/NUMBER``.
        ckpt: Checkpoint to resume or to start from, or None.
        save_config: Writes the configuration to a file; with a second file, the configuration in
            that one, completed by the defaults of the options that came later.
        print_line: Prints one line for the user.
        overwrite: Replace the run that ``out`` holds.
        resumable: Whether ``last.ckpt`` in ``out`` is gone on from where the configuration is the
            same; a method that trains in stages goes on by itself.
    """

    name: str
    data: SaliencyData
    build_trainer: BuildTrainer
    options: FitOptions
    out: str | None
    ckpt: str | None
    save_config: Callable[..., None]
    print_line: Callable[[str], None]
    overwrite: bool = False
    resumable: bool = True
    _stack: ExitStack = field(default_factory=ExitStack, repr=False)

    def check(self) -> None:
        """Check data and options before anything is written.

        Raises:
            SodError: A dataset is not named or not there, the batch cannot be shared by the
                processes, or nothing gives the figure that ``options.best`` names.
        """
        self.data.check_training()
        check_best(self.data, self.options)
        effective_batch(self.build_trainer([]), self.data)

    @cached_property
    def resumed(self) -> bool:
        """Whether ``ckpt`` is a run to continue, rather than weights to start from.

        It is, if it holds the optimiser's state and was trained on the same ``data.train``.

        Raises:
            SodError: The file cannot be used.
        """
        if self.ckpt is None:
            return False
        content = read_checkpoint(self.ckpt)
        same = content.get("trained_on") == self.data.train
        return bool(content.get("optimizer_states")) and same

    @contextmanager
    def opened(self) -> Iterator[None]:
        """Hold the lock of the run's folder in the ``with`` block.

        Raises:
            SodError: The folder cannot be made, another process writes there, or it holds the run
                of another configuration; or the disk is full.
        """
        with self._stack, quiet_writer():
            make_folder(self.plan.folder)
            self._keep_images()
            try:
                yield
            except OSError as error:
                name = error.filename or self.folder
                raise SodError(
                    f"{name}: cannot be read or written: {error.strerror or error}; when that is "
                    "mended, the same command goes on."
                ) from error

    def _keep_images(self) -> None:
        """Train on the images that the run began with, and name those that came or went."""
        images = read_images(self.folder) or {}
        for line in changed(images, files_of(self.data)):
            self.report(line)
        self.data.keep_to(images)

    @cached_property
    def plan(self) -> RunPlan:
        """Where the run is written and what it goes on from; rank 0 decides.

        Processes that a launcher started receive it through the process group, those that
        Lightning starts later through an environment variable.

        Raises:
            SodError: As :meth:`opened`.
        """
        if not is_distributed() and not is_rank_zero():
            return RunPlan(*json.loads(os.environ[RUN]))
        plan = RunPlan(*decide_on_rank_zero(self._plan))
        if is_rank_zero():
            os.environ[RUN] = json.dumps(plan)
        return plan

    def _plan(self) -> RunPlan:
        """Choose and lock the folder, and look at what it holds."""
        resume = self.ckpt if self.resumed else None
        beside = Path(resume).parent if resume else None
        folder = make_folder(self.out or str(beside or next_run(Path("runs") / self.name)))
        self._stack.enter_context(locked_folder(folder))
        if self.overwrite:
            clear_run(folder, self.ckpt)
        plan = RunPlan(str(folder), self._resume(folder, resume))
        self._note_images(folder, plan.resume)
        return plan

    def _resume(self, folder: Path, resume: str | None) -> str | None:
        """Return the checkpoint to go on from: that of the folder, if it holds this run.

        Raises:
            SodError: It holds a run of another configuration.
        """
        own = resume is not None and Path(resume).parent.resolve() == folder.resolve()
        if own or not self.resumable or not holds_run(folder):
            return resume
        with tempfile.TemporaryDirectory() as place:
            self.save_config(Path(place) / CONFIG)
            check_same_run(folder, Path(place) / CONFIG, self._completed(folder, Path(place)))
        last = folder / "last.ckpt"
        return str(last) if last.is_file() else resume

    def _completed(self, folder: Path, place: Path) -> Path:
        """Return the configuration of a run in a folder, completed where it can be."""
        completed = place / f"completed-{CONFIG}"
        try:
            self.save_config(completed, folder / CONFIG)
        except SodError:  # options that there are no more: the comparison names them
            return folder / CONFIG
        return completed

    def _note_images(self, folder: Path, resume: str | None) -> None:
        """Write down the images of a run that begins, or begins to be written in this folder."""
        before = Path(resume).parent if resume else folder
        known = read_images(before) if resume or holds_run(folder) else None
        if known is None or before.resolve() != folder.resolve():
            write_images(folder, known or files_of(self.data))

    @property
    def folder(self) -> Path:
        """The folder of the run."""
        return Path(self.plan.folder)

    def load_checkpoint(self, method: Method) -> None:
        """Load the weights that the run goes on from, or starts with, into a method, uncalibrated.

        Raises:
            SodError: The file cannot be used or does not fit.
        """
        load_checkpoint(method, self.plan.resume or self.ckpt)
        method.calibrations = NONE  # other weights give other maps

    def run(self, method: Method) -> None:
        """Train a method in one stage.

        Raises:
            SodError: ``patience`` is set and nothing is scored.
        """
        resume = self.plan.resume
        done = steps_of(read_checkpoint(resume), resume) if resume else 0
        trainer = training_trainer(
            method, self.data, self.folder, self.build_trainer, self.options, self.report, done
        )
        self.write_config()
        self.report(effective_batch(trainer, self.data))
        if resume is not None:
            self.report(f"resuming the run of {resume}, {steps(done)} done")
        elif self.ckpt is not None:
            self.report(f"starting from the weights of {self.ckpt}")
        trainer.fit(method, self.data, ckpt_path=resume, weights_only=True)
        self.report(self._outcome(trainer, done))

    def _outcome(self, trainer: pl.Trainer, done: int) -> str:
        """Return one line on what was done."""
        if done and trainer.global_step == done:
            return (
                f"nothing to do: {steps(done)} of {self.folder} were done before: raise "
                "trainer.max_steps, max_epochs or max_time to go on"
            )
        return f"{steps(trainer.global_step)}; checkpoints and log in {self.folder}"

    def write_config(self) -> None:
        """Write ``config.yaml`` into the folder; the first process does it."""
        if is_rank_zero():
            self.save_config(self.folder / CONFIG)

    def report(self, line: str) -> None:
        """Print one line for the user; the first process does it."""
        if is_rank_zero():
            self.print_line(line)


def steps(count: int) -> str:
    """Return a number of steps in words."""
    return "1 step" if count == 1 else f"{count} steps"


def next_run(parent: Path) -> Path:
    """Return ``parent`` / the first number that no run has yet."""
    numbers = [int(entry.name) for entry in parent.glob("*") if entry.name.isdigit()]
    return parent / str(max(numbers, default=-1) + 1)
