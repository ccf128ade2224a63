"""`sod fit`: train a method."""

from pathlib import Path

from sod.cli.program import Program, console, make_folder
from sod.core.distributed import rank_and_count
from sod.core.errors import SodError
from sod.core.seed import run_seed
from sod.engine.checkpoint import load_weights
from sod.engine.training import FitOptions, effective_batch, resumes, trainer_of
from sod.methods.generations.ensemble import Generations
from sod.methods.generations.pipeline import Course


def fit(
    cli: Program,
    out: str | None = None,
    ckpt: str | None = None,
    save_every: int = 50,
    patience: int | None = None,
    grids_every: int = 50,
) -> int:
    """Train a method on images; masks are not opened unless data.supervised says so.

    Args:
        cli: The assembled program.
        out: Folder of the run; by default runs/METHOD/NUMBER.
        ckpt: Checkpoint to go on from: a last.ckpt trained on the same data.train is resumed
            exactly; of any other file the weights are taken to start from.
        save_every: Optimiser steps between two writes of last.ckpt.
        patience: Stop after so many validations without a better label-free score.
        grids_every: Optimiser steps between two image grids in TensorBoard.
    """
    method, data = cli.method, cli.datamodule
    name = type(method).__name__
    if not method.learns():
        raise SodError(
            f"{name} is training-free, there is nothing to fit: use `evaluate` or `predict`."
        )
    if isinstance(method, Generations):
        return _generations(cli, method, out, ckpt, FitOptions(save_every, patience, grids_every))
    resumed = ckpt is not None and resumes(ckpt, data)
    if not resumed:
        load_weights(method, ckpt)
    folder = make_folder(out or _folder(name, ckpt if resumed else None))
    options = FitOptions(save_every, patience, grids_every)
    trainer = trainer_of(method, data, folder, cli.build_trainer, options)
    if trainer.is_global_zero:
        cli.save_config(folder / "config.yaml")
        console.print(effective_batch(trainer, data), soft_wrap=True)
        if ckpt is not None:
            verb = "resuming the run of" if resumed else "starting from the weights of"
            console.print(f"{verb} {ckpt}", soft_wrap=True)
    trainer.fit(method, data, ckpt_path=ckpt if resumed else None, weights_only=True)
    if trainer.is_global_zero:
        console.print(f"{trainer.global_step} steps; checkpoints and log in {folder}")
    return 0


def _generations(
    cli: Program, method: Generations, out: str | None, ckpt: str | None, options: FitOptions
) -> int:
    """Train in stages; the same ``--out`` goes on with them."""
    if ckpt is not None:
        raise SodError(
            "--ckpt: generations go on from their folder: give the same --out instead; a "
            "checkpoint can be their first teacher (model.teachers)."
        )
    folder = make_folder(out or _folder(type(method).__name__, None))
    course = Course(method, cli.datamodule, folder, cli.build_trainer, options, run_seed())
    if rank_and_count()[0] == 0:
        cli.save_config(folder / "config.yaml")
    last = course.run()
    if rank_and_count()[0] == 0:
        console.print(f"{method.generations} generations in {folder}; together in {last}")
    return 0


def _folder(name: str, resumed: str | None) -> str:
    """Return the folder of the resumed run, or a new one."""
    return str(Path(resumed).parent if resumed else next_run(Path("runs") / name))


def next_run(parent: Path) -> Path:
    """Return ``parent`` / the first number that no run has yet."""
    numbers = [int(entry.name) for entry in parent.glob("*") if entry.name.isdigit()]
    return parent / str(max(numbers, default=-1) + 1)
