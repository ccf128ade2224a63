"""One training run, as the command line describes it."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from sod.core.distributed import from_rank_zero, is_distributed, is_rank_zero
from sod.core.files import make_folder
from sod.data.datamodule import SaliencyData
from sod.engine.checkpoint import load_checkpoint, read_checkpoint
from sod.engine.method import Method
from sod.engine.trainer import (
    BuildTrainer,
    FitOptions,
    check_best,
    effective_batch,
    training_trainer,
)

RUN_FOLDER = "SOD_RUN_FOLDER"
"""Environment variable with the run's folder, for the processes that the first one starts."""


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
        save_config: Writes the configuration to a file.
        print_line: Prints one line for the user.
    """

    name: str
    data: SaliencyData
    build_trainer: BuildTrainer
    options: FitOptions
    out: str | None
    ckpt: str | None
    save_config: Callable[[Path], None]
    print_line: Callable[[str], None]

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

    @cached_property
    def folder(self) -> Path:
        """The folder of the run, made at the first access; rank 0 chooses it.

        Processes that a launcher started receive it through the process group, those that
        Lightning starts later through an environment variable.

        Raises:
            SodError: It cannot be made.
        """
        started_later = not is_distributed() and not is_rank_zero()
        chosen = self.out or (os.environ.get(RUN_FOLDER) if started_later else None)
        if chosen is None:
            resumed = Path(self.ckpt).parent if self.resumed and self.ckpt else None
            chosen = from_rank_zero(str(resumed or next_run(Path("runs") / self.name)))
        if is_rank_zero():
            os.environ[RUN_FOLDER] = chosen
        return make_folder(chosen)

    def load_checkpoint(self, method: Method) -> None:
        """Load the weights of ``ckpt`` into a method, if one is given.

        Raises:
            SodError: The file cannot be used or does not fit.
        """
        load_checkpoint(method, self.ckpt)

    def run(self, method: Method) -> None:
        """Train a method in one stage.

        Raises:
            SodError: ``patience`` is set and nothing is scored.
        """
        folder = self.folder
        trainer = training_trainer(method, self.data, folder, self.build_trainer, self.options)
        self.write_config()
        self.report(effective_batch(trainer, self.data))
        if self.ckpt is not None:
            verb = "resuming the run of" if self.resumed else "starting from the weights of"
            self.report(f"{verb} {self.ckpt}")
        resume = self.ckpt if self.resumed else None
        trainer.fit(method, self.data, ckpt_path=resume, weights_only=True)
        self.report(f"{trainer.global_step} steps; checkpoints and log in {folder}")

    def write_config(self) -> None:
        """Write ``config.yaml`` into the folder; the first process does it."""
        if is_rank_zero():
            self.save_config(self.folder / "config.yaml")

    def report(self, line: str) -> None:
        """Print one line for the user; the first process does it."""
        if is_rank_zero():
            self.print_line(line)


def next_run(parent: Path) -> Path:
    """Return ``parent`` / the first number that no run has yet."""
    numbers = [int(entry.name) for entry in parent.glob("*") if entry.name.isdigit()]
    return parent / str(max(numbers, default=-1) + 1)
